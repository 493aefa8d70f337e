"""Optimizers that look uphill, on a small problem, counting their passes."""

import copy
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten

from passband.optim import SAM, USAM, HessianUSAM, SharpnessAware

Make = Callable[..., Any]


def usam(params: Any) -> USAM:
    return USAM(params, 0.1, 0.1, momentum=0.9)


def two_step(params: Any) -> USAM:
    return USAM(params, 0.1, 0.1, steps=2, momentum=0.9, weight_decay=0.1, decay="loss")


def hessian(params: Any) -> HessianUSAM:
    return HessianUSAM(params, 0.1, 0.1, momentum=0.9, weight_decay=0.1, decay="decoupled")


def sam(params: Any) -> SAM:
    return SAM(params, 0.1, 0.1, momentum=0.9, foreach=False)


def aware(params: Any) -> SharpnessAware:
    return SharpnessAware(torch.optim.Adam(params), rho=0.1, steps=2, normalize=True)


PASSES = {usam: 2, two_step: 3, hessian: 2, sam: 2, aware: 3}


ALL = pytest.mark.parametrize("make", list(PASSES))


class Problem:
    """A small regression whose closure misbehaves at one of its evaluations."""

    def __init__(self, make: Make) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
            self.x, self.y = torch.randn(2, 6, 3).double(), torch.randn(6, 1).double()
        self.optimizer = make(self.model.parameters())
        self.evaluations = 0
        self.step()  # a first step, so that there is state to be damaged
        self.evaluations = 0

    def loss(self) -> Tensor:
        self.optimizer.zero_grad()
        loss = (self.model(self.x[0]) - self.y).square().mean()
        loss.backward()
        self.evaluations += 1
        return loss

    def step(self, closure: Callable[[], Any] | None = None) -> Tensor:
        return self.optimizer.step(closure or self.loss)

    def snapshot(self) -> Any:
        return copy.deepcopy((self.model.state_dict(), self.optimizer.state_dict()))


def assert_same(got: Any, expected: Any) -> None:
    """Bit for bit, tensors and options alike."""
    got, expected = tree_flatten(got), tree_flatten(expected)
    assert got[1] == expected[1]
    for a, b in zip(got[0], expected[0], strict=True):
        assert torch.equal(a, b) if isinstance(a, Tensor) else a == b


@contextmanager
def unmoved(problem: Problem) -> Generator[None]:
    before = problem.snapshot()
    yield
    assert_same(problem.snapshot(), before)
