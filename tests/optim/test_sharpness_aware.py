"""Sharpness awareness around any optimizer."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from passband.optim import SAM, USAM, DerivativeSGD, SharpnessAware


class Regression:
    def __init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
            self.x, self.y = torch.randn(7, 4), torch.randn(7, 2)

    def train(self, optimizer: Any, steps: int = 4) -> Tensor:
        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(self.model(self.x), self.y)
            loss.backward()
            return loss

        for _ in range(steps):
            optimizer.step(closure)
        return nn.utils.parameters_to_vector(self.model.parameters()).detach()


@pytest.mark.parametrize(
    ("method", "same"),
    [(USAM, {}), (USAM, {"steps": 2}), (SAM, {"normalize": True})],
    ids=["usam", "two-step", "sam"],
)
def test_around_sgd_it_is_usam_and_sam_bit_for_bit(method: Any, same: dict[str, Any]) -> None:
    one, two = Regression(), Regression()
    options: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True}
    steps = {"steps": same["steps"]} if "steps" in same else {}
    ours = method(two.model.parameters(), rho=0.05, **options, **steps)

    base = torch.optim.SGD(one.model.parameters(), **options)
    wrapped = one.train(SharpnessAware(base, rho=0.05, **same))

    assert_close(wrapped, two.train(ours), rtol=0, atol=0)


@pytest.mark.parametrize(
    "make",
    [torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adadelta],
)
def test_without_an_ascent_it_is_the_base_bit_for_bit(make: Callable[..., Any]) -> None:
    one, two = Regression(), Regression()

    ours = one.train(SharpnessAware(make(one.model.parameters(), lr=0.01), rho=0.0))

    assert_close(ours, two.train(make(two.model.parameters(), lr=0.01)), rtol=0, atol=0)


def test_two_normalized_ascents_each_have_the_length_of_rho() -> None:
    p = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    optimizer = SharpnessAware(
        torch.optim.SGD([p], lr=0.1), rho=0.5, steps=2, normalize=True
    )  # f = ‖p‖²/2: uphill is outward, by 0.5 twice

    def closure() -> Tensor:
        loss = p.square().sum() / 2
        loss.backward()
        return loss

    optimizer.step(closure)

    assert_close(p.detach(), torch.tensor([3.0, 4.0]).double() * (1 - 0.1 * 6 / 5))


def test_a_base_that_maximizes_looks_downhill() -> None:
    up, down = Regression(), Regression()
    ascent = torch.optim.SGD(up.model.parameters(), lr=0.1, maximize=True)

    def gain() -> Tensor:
        loss = -nn.functional.mse_loss(up.model(up.x), up.y)
        loss.backward()
        return loss

    wrapped = SharpnessAware(ascent, rho=0.1)
    for _ in range(4):
        wrapped.step(gain)

    descended = down.train(SharpnessAware(torch.optim.SGD(down.model.parameters(), 0.1), rho=0.1))
    ascended = nn.utils.parameters_to_vector(up.model.parameters()).detach()
    assert_close(ascended, descended, rtol=0, atol=0)


def test_groups_and_state_are_the_bases_own() -> None:
    problem = Regression()
    base = torch.optim.Adam(problem.model.parameters(), lr=0.01)
    wrapped = SharpnessAware(base, rho=0.1)

    problem.train(wrapped)
    base.load_state_dict(copy.deepcopy(base.state_dict()))

    assert wrapped.param_groups is base.param_groups
    assert wrapped.state is base.state
    assert wrapped.state_dict()["param_groups"] == base.state_dict()["param_groups"]
    problem.train(wrapped)


def test_a_plain_checkpoint_of_the_base_can_be_loaded() -> None:
    one = Regression()
    base = torch.optim.SGD(one.model.parameters(), lr=0.1, momentum=0.9)
    one.train(base)
    checkpoint = copy.deepcopy(base.state_dict())

    wrapped = SharpnessAware(base, rho=0.1)
    wrapped.load_state_dict(checkpoint)
    one.train(wrapped)

    assert "ascent_rho" not in wrapped.param_groups[0]


def test_the_same_base_can_be_wrapped_again() -> None:
    p = torch.ones(1, requires_grad=True)
    base = torch.optim.SGD([p], lr=0.1)
    with pytest.raises(ValueError, match="`rho` must be finite; got nan"):
        SharpnessAware(base, rho=float("nan"))
    SharpnessAware(base, rho=0.5)

    wrapped = SharpnessAware(base, rho=1.0)

    def closure() -> Tensor:
        loss = p.square().sum()
        loss.backward()
        return loss

    wrapped.step(closure)
    assert p.item() == pytest.approx(0.4)


def test_groups_are_added_to_the_base() -> None:
    p, q = (torch.ones(2, requires_grad=True) for _ in range(2))
    base = torch.optim.SGD([p], lr=0.1, momentum=0.9)
    wrapped = SharpnessAware(base, rho=0.1)

    wrapped.add_param_group({"params": [q], "ascent_rho": 0.2})

    assert base.param_groups[1]["ascent_rho"] == 0.2
    assert base.param_groups[1]["momentum"] == 0.9
    with pytest.raises(ValueError, match="`rho` must be finite"):
        wrapped.add_param_group(
            {"params": [torch.ones(1, requires_grad=True)], "ascent_rho": float("inf")}
        )
    assert len(base.param_groups) == 2


def test_works_around_an_optimizer_of_one_gradient() -> None:
    one, two = Regression(), Regression()

    ours = one.train(SharpnessAware(DerivativeSGD(one.model.parameters(), 0.1, 0.1), rho=0.0))

    assert_close(ours, two.train(DerivativeSGD(two.model.parameters(), 0.1, 0.1)), rtol=0, atol=0)


def test_a_base_must_step_without_a_closure() -> None:
    p = torch.ones(2, requires_grad=True)

    with pytest.raises(TypeError, match="needs no closure; LBFGS's does"):
        SharpnessAware(torch.optim.LBFGS([p]), rho=0.1)
    with pytest.raises(TypeError, match="USAM looks uphill itself"):
        SharpnessAware(USAM([p], 0.1, 0.1), rho=0.1)
