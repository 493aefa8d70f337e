"""Passes that leave nothing behind: buffers, dropout, clipping, scalers, schedules, rounding."""

import copy
import math
from typing import Any

import pytest
import torch
from passes_problem import DATA, batch_norm_model, closure_of, ones
from torch import Tensor, nn

from passband import optim


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
