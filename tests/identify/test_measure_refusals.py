"""Optimizers that `measure` refuses, and what it leaves alone."""

import copy
from typing import Any

import pytest
import torch
from numpy.testing import assert_allclose
from torch.optim import Optimizer
from two_weights import Make, weights
from typing_extensions import override

from passband import optim
from passband.errors import NotAFilterError
from passband.identify import measure


class Sign(Optimizer):
    def __init__(self, params: Any) -> None:
        super().__init__(params, {"lr": 0.01})

    @override
    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        with torch.enable_grad():
            closure()
        for p in self.param_groups[0]["params"]:
            p.sub_(p.grad.sign(), alpha=0.01)


class Noisy(Optimizer):
    def __init__(self, params: Any) -> None:
        super().__init__(params, {"lr": 0.01})

    @override
    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        with torch.enable_grad():
            closure()
        for p in self.param_groups[0]["params"]:
            p.sub_(p.grad * torch.rand_like(p), alpha=0.01)


class NeedsMatrices(Sign):
    @override
    def step(self, closure: Any = None) -> None:
        raise RuntimeError("only for two-dimensional parameters")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Sign, "does not shrink with the gradient"),
        (lambda p: optim.SAM(p, lr=0.1, rho=0.05), "not linear near a minimum"),
        (Noisy, "not reproducible"),
        (NeedsMatrices, "only for two-dimensional parameters"),
        (torch.optim.Rprop, "does not shrink with the gradient"),
        (torch.optim.ASGD, "depends on the step count"),
        (lambda p: torch.optim.LBFGS(p, lr=0.1), "its step follows the curvature it meets"),
    ],
    ids=["sign", "SAM", "randomized", "not scalar", "Rprop", "ASGD", "LBFGS"],
)
def test_refuses_with_the_reason(make: Make, reason: str) -> None:
    with pytest.raises(NotAFilterError, match=reason):
        measure(make(weights()))


def test_a_wrong_argument_is_no_statement_about_the_optimizer() -> None:
    sgd = torch.optim.SGD(weights(), lr=0.1)
    wrong: Any = 3

    with pytest.raises(TypeError, match="`measure` needs a torch optimizer instance; got a int"):
        measure(wrong)
    with pytest.raises(TypeError, match="got the class SGD"):
        measure(type(sgd))  # pyright: ignore[reportArgumentType]
    with pytest.raises(IndexError, match="1 parameter groups; got group=5"):
        measure(sgd, group=5)
    with pytest.raises(TypeError, match=r"`group` must be the index .*; got 'first'"):
        measure(sgd, group="first")  # pyright: ignore[reportArgumentType]


def test_a_frozen_optimizer_says_so() -> None:
    sgd = torch.optim.SGD(weights(), lr=0.1)
    sgd.param_groups[0]["lr"] = 0.0

    with pytest.raises(NotAFilterError, match="does not move"):
        measure(sgd)


def test_touches_neither_the_optimizer_nor_the_model() -> None:
    params = weights()
    adam = torch.optim.Adam(params, lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(adam, 3)  # wraps `step` of the instance
    for p in params:
        p.grad = torch.ones_like(p)
    adam.step()
    scheduler.step()
    values = [p.detach().clone() for p in params]
    state = copy.deepcopy(adam.state_dict())

    measure(adam)

    for p, value in zip(params, values, strict=True):
        assert torch.equal(p, value)
        assert p.grad is not None
        assert torch.equal(p.grad, torch.ones_like(p))
    after = adam.state_dict()
    assert after["param_groups"] == state["param_groups"]
    for index, entries in state["state"].items():
        for name, value in entries.items():
            assert torch.equal(after["state"][index][name], value), name


def test_reads_the_group_that_is_asked_for() -> None:
    first, second = weights()
    sgd = torch.optim.SGD([{"params": [first]}, {"params": [second], "lr": 0.5}], lr=0.1)

    assert_allclose(measure(sgd, 1).edge, 4, rtol=1e-9)


class Deaf(torch.optim.SGD):
    """Takes a closure as the base class asks, and never calls it."""

    @override
    def step(self, closure: Any = None) -> None:
        super().step()


def test_a_step_that_ignores_its_closure_is_measured_all_the_same() -> None:
    found = measure(Deaf(weights(), lr=0.1, momentum=0.9))

    assert_allclose(found.edge, 2 * 1.9 / 0.1, rtol=1e-9)
    assert found.gradients == 1


def test_a_measured_filter_prints_what_is_known_and_no_more() -> None:
    plain, adaptive = map(
        measure,
        (torch.optim.SGD(weights(), lr=0.1, momentum=0.9), torch.optim.NAdam(weights())),
    )

    assert repr(plain).startswith("SGD, measured: order 2, degree 1 in λ, held-out error")
    assert "eigenvalues of the Hessian it can settle at" in str(plain)
    assert "nan" not in str(plain)
    assert (plain.curvature, adaptive.curvature) == ("plain", "preconditioned")
    assert "held at 1: exp_avg_sq" in str(adaptive)
