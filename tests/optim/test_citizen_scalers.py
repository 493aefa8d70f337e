"""Scalers, schedules, rounding and compiled models: what surrounds a step."""

import inspect
import math
import warnings
from typing import Any

import pytest
import torch
from passes_problem import batch_norm_model, closure_of, ones
from torch import Tensor, nn

from passband import filter_of, optim
from passband.errors import LostPerturbationWarning, NotAFilterError, SkippedStepWarning

SGD: Any = torch.optim.SGD


def aware(params: Any, lr: float, rho: float) -> optim.SharpnessAware:
    return optim.SharpnessAware(SGD(params, lr=lr), rho=rho)


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


@pytest.mark.parametrize("make", [optim.USAM, optim.SAM, aware], ids=["usam", "sam", "aware"])
@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("overflow_in", [None, 0, 1])
def test_hooks_run_once_a_step_and_the_scaler_knows_the_optimizer(
    make: Any, enabled: bool, overflow_in: int | None
) -> None:
    x = ones()
    optimizer = make([x], 0.1, 0.5)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)  # puts a `step` on the instance
    patched = vars(optimizer)["step"]
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, enabled=enabled)
    calls: list[str] = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    passes = 0

    def closure() -> Tensor:
        nonlocal passes
        loss = (x**2).sum() * (math.inf if passes == overflow_in else 1.0)
        scaler.scale(loss).backward()
        passes += 1
        return loss

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        optimizer.step(closure, scaler=scaler)
    if enabled:
        with pytest.raises(RuntimeError, match="called after step"):
            scaler.unscale_(optimizer)
    scaler.update()

    lost = overflow_in is not None
    assert calls == ["before", "after"]
    assert vars(optimizer)["step"] is patched
    assert torch.equal(x.detach(), torch.ones_like(x)) == lost
    assert scaler.get_scale() == (1.0 if not enabled else 4.0 if lost else 8.0)
    assert [w.category for w in caught] == [SkippedStepWarning] * (lost and not enabled)
    schedule.step()
    optimizer.step(closure, scaler=scaler)  # the loop goes on
    assert calls == ["before", "after"] * 2


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
    attach = inspect.unwrap(optim.USAM.attach)  # not what the tests' checker of types says

    with pytest.raises(TypeError, match="`attach` needs the model"):
        attach(optim.USAM([ones()], 0.1, 0.1), bad)


def test_a_local_ascent_needs_processes() -> None:
    with pytest.raises(TypeError, match="no_sync"):
        optim.USAM([ones()], 0.1, 0.1).attach(nn.Linear(1, 1), local_ascent=True)
