"""Passes that leave nothing behind: buffers, dropout, clipping, scalers, schedules, rounding."""

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from passband import filter_of, optim
from passband.errors import LostPerturbationWarning, NotAFilterError, SkippedStepWarning

SGD: Any = torch.optim.SGD


def ones() -> Tensor:
    return torch.ones(3, dtype=torch.float64, requires_grad=True)


def batch_norm_model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 1)).double()


DATA = torch.linspace(-1, 1, 32).double().view(8, 4)


def closure_of(model: nn.Module) -> Callable[[], Tensor]:
    def closure() -> Tensor:
        loss = (model(DATA) ** 2).mean()
        loss.backward()
        return loss

    return closure


@pytest.mark.parametrize("lam", [0.3, -0.7, 5.0])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_k_ascents_by_hand_see_the_polynomial(lam: float, steps: int) -> None:
    x, lr, rho = ones(), 0.1, 0.2
    optimizer = optim.USAM([x], lr, rho, steps=steps)

    (0.5 * lam * x**2).sum().backward()
    for _ in range(steps):
        with optimizer.ascent():
            (0.5 * lam * x**2).sum().backward()
    optimizer.step()

    expected = 1 - lr * lam * (1 + rho * lam) ** steps
    torch.testing.assert_close(x.detach(), torch.full_like(x, expected), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("drive", ["blocks", "first and second", "closure"])
def test_statistics_count_once(drive: str) -> None:
    model, plain = batch_norm_model(), batch_norm_model()
    optimizer = optim.USAM(model.parameters(), 0.1, 0.5, steps=2)
    optimizer.attach(model)
    closure_of(plain)()  # one pass at the weights

    if drive == "blocks":
        closure_of(model)()
        for _ in range(2):
            with optimizer.ascent():
                closure_of(model)()
        optimizer.step()
    elif drive == "first and second":
        closure_of(model)()
        for _ in range(2):
            optimizer.first_step(zero_grad=True)
            closure_of(model)()
        optimizer.second_step(zero_grad=True)
    else:
        optimizer.step(closure_of(model))

    for mine, theirs in zip(model.buffers(), plain.buffers(), strict=True):
        assert torch.equal(mine, theirs)


def test_without_a_model_every_pass_counts() -> None:
    model = batch_norm_model()
    optimizer = optim.USAM(model.parameters(), 0.1, 0.5)

    optimizer.step(closure_of(model))

    norm: Any = model[1]
    assert int(norm.num_batches_tracked) == 2


def test_statistics_survive_an_exception_uphill() -> None:
    model = batch_norm_model()
    optimizer = optim.USAM(model.parameters(), 0.1, 0.5)
    optimizer.attach(model)
    closure_of(model)()
    before = copy.deepcopy(model.state_dict())

    def interrupted() -> None:
        with optimizer.ascent():
            closure_of(model)()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("same", [True, False])
def test_the_same_masks_by_choice(same: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 50), nn.Dropout(0.5))
    masks: list[Tensor] = []

    def closure() -> Tensor:
        out = model(DATA.float())
        masks.append(out.detach() == 0)
        loss = (out**2).mean()
        loss.backward()
        return loss

    optimizer = optim.USAM(model.parameters(), 0.1, 0.01, steps=2)
    optimizer.attach(model, same_randomness=same)

    optimizer.step(closure)
    optimizer.step(closure)

    first, second = masks[:3], masks[3:]
    assert all(torch.equal(mask, first[0]) for mask in first[1:]) is same
    assert all(torch.equal(mask, second[0]) for mask in second[1:]) is same
    assert not torch.equal(first[0], second[0])  # but another batch has others


@pytest.mark.parametrize("by_hand", [True, False])
def test_clipping_acts_on_the_gradient_that_counts(by_hand: bool) -> None:
    x = ones()
    optimizer = optim.USAM([x], 0.1, 0.5)

    def closure() -> Tensor:
        loss = (x**2).sum()
        loss.backward()
        return loss

    if by_hand:
        closure()
        with optimizer.ascent():
            closure()
        nn.utils.clip_grad_norm_([x], 1.0)
        optimizer.step()
    else:
        clip = lambda: nn.utils.clip_grad_norm_([x], 1.0)  # noqa: E731
        optimizer.attach(nn.Module(), before_descent=clip)
        optimizer.step(closure)

    # uphill the weights are 2 and the gradient 4, which points the same way; clipped to length 1
    torch.testing.assert_close(x.detach(), torch.full_like(x, 1 - 0.1 / math.sqrt(3)))


@pytest.mark.parametrize("drive", ["closure", "ascent"])
@pytest.mark.parametrize("overflow_in", [0, 1])
def test_an_overflow_in_any_pass_skips_the_step_and_lowers_the_scale(
    drive: str, overflow_in: int
) -> None:
    x = ones()
    optimizer = optim.USAM([x], 0.1, 0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    passes = 0

    def closure() -> Tensor:
        nonlocal passes
        loss = (x**2).sum() * (math.inf if passes == overflow_in else 1.0)
        scaler.scale(loss).backward()
        passes += 1
        return loss

    def one_step() -> None:
        if drive == "closure":
            optimizer.step(closure, scaler=scaler)
        else:
            optimizer.zero_grad()
            closure()
            with optimizer.ascent(scaler=scaler):
                closure()
            scaler.step(optimizer)
        scaler.update()

    one_step()
    assert torch.equal(x.detach(), torch.ones_like(x))
    assert scaler.get_scale() == 4.0

    one_step()  # the loop goes on
    assert torch.equal(x.detach(), torch.full_like(x, 1 - 0.1 * 2 * (1 + 0.5 * 2)))


def test_without_a_scaler_a_lost_ascent_skips_the_step() -> None:
    x = ones()
    optimizer = optim.USAM([x], 0.1, 0.5)
    (x**2).sum().backward()
    assert x.grad is not None
    x.grad[0] = math.nan

    with optimizer.ascent():
        assert torch.equal(x.detach(), torch.ones_like(x))
        (x**2).sum().backward()
    with pytest.warns(SkippedStepWarning):
        optimizer.step()

    assert torch.equal(x.detach(), torch.ones_like(x))


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_whatever_happens_uphill_the_weights_come_back(error: type[BaseException]) -> None:
    x = ones()
    optimizer = optim.SAM([x], 0.1, 0.5)
    (x**2).sum().backward()

    def interrupted() -> None:
        with optimizer.ascent():
            assert not torch.equal(x.detach(), torch.ones_like(x))
            raise error

    with pytest.raises(error):
        interrupted()
    assert torch.equal(x.detach(), torch.ones_like(x))
    (x**2).sum().backward()
    with optimizer.ascent():  # and a new step can begin
        (x**2).sum().backward()
    optimizer.step()


def test_displaced_weights_are_not_saved_and_can_be_put_back() -> None:
    x = ones()
    optimizer = optim.USAM([x], 0.1, 0.5)
    (x**2).sum().backward()
    optimizer.first_step(zero_grad=True)

    with pytest.raises(ValueError, match="displaced"):
        optimizer.state_dict()
    optimizer.restore()

    assert torch.equal(x.detach(), torch.ones_like(x))
    assert optimizer.state_dict()["param_groups"][0]["rho"] == 0.5


def test_ascents_are_counted() -> None:
    x = ones()
    optimizer = optim.USAM([x], 0.1, 0.5, steps=2)

    def backward() -> None:
        (x**2).sum().backward()

    backward()
    with pytest.raises(TypeError, match="ascent"):
        optimizer.step()
    with optimizer.ascent():
        backward()
    with pytest.raises(ValueError, match="takes 2 ascents a step; got 1"):
        optimizer.step()
    for _ in range(2):
        with optimizer.ascent():
            backward()
    with pytest.raises(ValueError, match="one more"), optimizer.ascent():
        backward()
    assert torch.equal(x.detach(), torch.ones_like(x))


def test_what_needs_more_than_gradients_cannot_be_driven_by_hand() -> None:
    x = ones()
    decayed = optim.USAM([x], 0.1, 0.5, weight_decay=0.1, decay="loss")
    (x**2).sum().backward()

    for optimizer in (optim.HessianUSAM([x], 0.1, 0.1), decayed):
        with pytest.raises(TypeError, match=r"step\(closure\)"), optimizer.ascent():
            pass
    with pytest.raises(ValueError, match="has a gradient"), optim.USAM([ones()], 1, 1).ascent():
        pass


def test_a_schedule_goes_with_either_way_of_driving() -> None:
    x = ones()
    optimizer = optim.USAM([x], 0.1, 0.5)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (x**2).sum().backward()
        with optimizer.ascent():
            (x**2).sum().backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        (x**2).sum().backward()
        optimizer.first_step(zero_grad=True)
        (x**2).sum().backward()
        optimizer.second_step(zero_grad=True)
        schedule.step()

    assert optimizer.param_groups[0]["lr"] == 0.025


@pytest.mark.parametrize(("rho", "warns"), [(1e-4, True), (0.5, False)])
def test_a_perturbation_that_rounding_takes_away_is_measured(rho: float, warns: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(1000).bfloat16().requires_grad_()
    optimizer = optim.USAM([x], 0.1, rho)

    def closure() -> Tensor:
        loss = (0.5 * x**2).sum()
        loss.backward()
        return loss

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        optimizer.step(closure)
        optimizer.step(closure)

    assert [w.category for w in caught] == [LostPerturbationWarning] * warns
    # half a unit in the last place is 2⁻⁹ to 2⁻⁸ of a weight, and the ascent ρ of it
    assert optimizer.moved_share == (0.0 if warns else 1.0)


def test_the_adaptive_ascent_is_in_units_of_the_weights() -> None:
    """ASAM: x + ρ x² g / ‖x g‖; scaling a weight up and its input down changes nothing."""
    scales = torch.tensor([1.0, 10.0, 0.1], dtype=torch.float64)
    found: list[Tensor] = []
    for scale in (torch.ones_like(scales), scales):
        w = (torch.tensor([1.0, -2.0, 0.5]).double() * scale).requires_grad_()
        seen: list[Tensor] = []

        def closure(w: Tensor = w, scale: Tensor = scale, seen: list[Tensor] = seen) -> Tensor:
            seen.append((w / scale).detach())
            loss = ((w / scale) ** 3).sum()
            loss.backward()
            return loss

        optim.SAM([w], 0.1, 0.3, adaptive=True).step(closure)
        found.append(seen[1])
    torch.testing.assert_close(found[0], found[1], rtol=1e-14, atol=0)
    base = torch.tensor([1.0, -2.0, 0.5]).double()
    g = 3 * base**2
    way = base**2 * g / (base * g).norm()
    torch.testing.assert_close(found[0], base + 0.3 * way, rtol=1e-14, atol=0)
    with pytest.raises(NotAFilterError, match="ASAM"):
        filter_of(optim.SAM([ones()], 0.1, 0.3, adaptive=True))


def test_a_compiled_model_trains_like_the_plain_one() -> None:
    plain, other = batch_norm_model(), batch_norm_model()
    compiled: Any = torch.compile(other, backend="eager")
    for model, params in ((plain, plain), (compiled, other)):
        optimizer = optim.SharpnessAware(torch.optim.AdamW(params.parameters()), rho=0.1)
        optimizer.attach(params)
        for _ in range(3):
            optimizer.step(closure_of(model))

    for a, b in zip(plain.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("bad", [None, "model", SGD([ones()], lr=1.0)], ids=["none", "text", "sgd"])
def test_attach_needs_a_model(bad: Any) -> None:
    with pytest.raises(TypeError, match="model"):
        optim.USAM([ones()], 0.1, 0.1).attach(bad)


def test_a_local_ascent_needs_processes() -> None:
    with pytest.raises(TypeError, match="no_sync"):
        optim.USAM([ones()], 0.1, 0.1).attach(nn.Linear(1, 1), local_ascent=True)
