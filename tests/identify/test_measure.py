"""`measure` recovers filters from running code, without looking at names."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor
from torch.optim import Optimizer
from two_weights import Make, weights
from typing_extensions import override

from passband import filters, optim
from passband.identify import measure


def assert_same_passband(found: filters.Filter, expected: filters.Filter, rtol: float) -> None:
    ours, theirs = found.passband(), expected.passband()
    assert len(ours) == len(theirs), f"{ours} against {theirs}"
    size = max(abs(end) for interval in theirs for end in interval)
    for one, other in zip(ours, theirs, strict=True):
        assert_allclose([*one], [*other], rtol=rtol, atol=rtol * size)


SGDS: list[dict[str, Any]] = [
    {"lr": 0.1},
    {"lr": 1e-4, "momentum": 0.9},
    {"lr": 3.0, "momentum": 0.99},
    {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    {"lr": 0.1, "momentum": 0.5, "dampening": 0.3},
    {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.02},
    {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.02, "nesterov": True},
]


@pytest.mark.parametrize("options", SGDS, ids=str)
def test_torch_sgd_in_all_its_options(options: dict[str, Any]) -> None:
    found = measure(torch.optim.SGD(weights(), **options))

    assert_same_passband(found, filters.SGD(**options), 1e-9)
    assert found.gradients_per_step == 1
    assert found.error < 1e-9


@pytest.mark.parametrize("nesterov", [False, True])
def test_gain_and_kappa_of_a_measured_filter(nesterov: bool) -> None:
    """Of heavy ball: c₁ = η/(1−μ), κ = η (1+μ) / (2 (1−μ)²); Nesterov's is less by ημ/(1−μ)."""
    lr, momentum = 0.1, 0.8
    found = measure(torch.optim.SGD(weights(), lr, momentum, nesterov=nesterov))

    kappa = lr * (1 + momentum) / (2 * (1 - momentum) ** 2)
    kappa -= nesterov * lr * momentum / (1 - momentum)
    assert_allclose(found.gain, lr / (1 - momentum), rtol=1e-8)
    assert_allclose(found.kappa, kappa, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "expected", "gradients"),
    [
        (lambda p: optim.USAM(p, lr=0.04, rho=0.03), filters.USAM(lr=0.04, rho=0.03), 2),
        (
            lambda p: optim.USAM(p, lr=0.04, rho=0.03, steps=2, momentum=0.8),
            filters.USAM(lr=0.04, rho=0.03, steps=2, momentum=0.8),
            3,
        ),
        (
            lambda p: optim.HessianUSAM(p, lr=0.04, rho=0.03, momentum=0.8),
            filters.HessianUSAM(lr=0.04, rho=0.03, momentum=0.8),
            2,  # and a Hessian product, which no closure sees
        ),
    ],
    ids=["USAM", "Two-step", "Hessian"],
)
def test_the_ascent_family_with_its_cost(
    make: Make, expected: filters.Filter, gradients: int
) -> None:
    found = measure(make(weights()))

    assert_allclose(found.edge, expected.edge, rtol=1e-8)
    for lam in (0.3, 11.0, -20.0, -40.0):
        ours, theirs = (np.poly(f.transition(lam)) for f in (found, expected))
        assert_allclose(ours, theirs, atol=1e-10 * (1 + np.abs(theirs).max()))
    assert found.gradients_per_step == gradients


ADAPTIVE: list[tuple[Make, float]] = [
    (lambda p: torch.optim.Adam(p, lr=1e-3), 38_000.0),
    (lambda p: torch.optim.Adam(p, lr=1e-3, amsgrad=True), 38_000.0),
    (lambda p: torch.optim.AdamW(p, lr=0.04, betas=(0.8, 0.99), weight_decay=0.2), 448.2),
    (lambda p: torch.optim.NAdam(p, lr=1e-3), 38_000.0 / 2.8),
    (lambda p: torch.optim.RMSprop(p, lr=1e-2), 200.0),
    (lambda p: torch.optim.RMSprop(p, lr=1e-2, momentum=0.9), 380.0),
    (lambda p: torch.optim.Adagrad(p, lr=0.1), 20.0),
]


@pytest.mark.parametrize(("make", "edge"), ADAPTIVE)
def test_adaptive_ones_with_the_preconditioner_held(make: Make, edge: float) -> None:
    found = measure(make(weights()))

    assert_allclose(found.edge, edge, rtol=3e-8)  # eps = 1e-8 is part of the preconditioner
    assert "preconditioned curvature" in str(found)


class Lookahead(Optimizer):
    """A wrapper as users write them: slow weights every k steps, a base optimizer inside."""

    def __init__(self, base: Optimizer, k: int, alpha: float) -> None:
        super().__init__(base.param_groups, {})
        self.param_groups, self.state = base.param_groups, base.state
        self.base, self.k, self.alpha, self.count = base, k, alpha, 0
        self.slow: dict[Tensor, Tensor] = {}

    @override
    def step(self, closure: Any = None) -> Any:
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    self.slow.setdefault(p, p.detach().clone())
        loss = self.base.step(closure)
        self.count += 1
        if self.count % self.k == 0:
            with torch.no_grad():
                for p, slow in self.slow.items():
                    slow.add_(p - slow, alpha=self.alpha)
                    p.copy_(slow)
        return loss


def test_a_lookahead_wrapper_is_measured_over_its_cycle() -> None:
    base = torch.optim.SGD(weights(), lr=1.0, momentum=0.9)

    found = measure(Lookahead(base, k=5, alpha=0.5))

    assert found.period == 5
    ends = [end for interval in found.passband() for end in interval]
    assert_allclose(ends, [0, 2.597, 2.900, 3.492], atol=6e-4)  # buffer kept, three digits known


class ScheduleFree(Optimizer):
    """Schedule-Free SGD: the gradient at y, the average weights counted by steps."""

    def __init__(self, params: Any, lr: float, beta: float) -> None:
        super().__init__(params, {"lr": lr, "beta": beta, "k": 0})

    @override
    def step(self, closure: Any = None) -> Any:
        loss = closure() if closure else None
        for group in self.param_groups:
            beta, c = group["beta"], 1 / (group["k"] + 1)
            with torch.no_grad():
                for y in group["params"]:
                    state = self.state[y]
                    z = state.setdefault("z", y.clone())
                    x = (y - (1 - beta) * z) / beta
                    z.sub_(y.grad, alpha=group["lr"])
                    y.copy_((1 - beta) * z + beta * ((1 - c) * x + c * z))
            group["k"] += 1
        return loss


def test_schedule_free_long_after_the_start() -> None:
    found = measure(ScheduleFree(weights(), lr=0.04, beta=0.8))

    assert_allclose(found.edge, 2 / (0.04 * 0.2), rtol=1e-6)


class TwoBuffers(Optimizer):
    """A user's own: fast and slow momentum, mixed."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {"lr": 0.03})

    @override
    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        if closure is not None:
            with torch.enable_grad():
                closure()
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                fast = state.setdefault("fast", torch.zeros_like(p))
                slow = state.setdefault("slow", torch.zeros_like(p))
                fast.mul_(0.5).add_(p.grad)
                slow.mul_(0.9).add_(p.grad, alpha=0.1)
                p.sub_(fast + 0.7 * slow, alpha=group["lr"])


def two_buffers_matrix(lam: float) -> np.ndarray:
    """The same step, by hand, on (p, fast, slow)."""
    fast, slow = np.array([lam, 0.5, 0]), np.array([0.1 * lam, 0, 0.9])
    return np.stack([np.array([1.0, 0, 0]) - 0.03 * (fast + 0.7 * slow), fast, slow])


def test_a_class_with_two_buffers() -> None:
    found = measure(TwoBuffers(weights()))

    for lam in (0.3, 11.0, 70.0, -4.0):
        ours = np.poly(found.transition(lam))
        assert_allclose(ours, np.poly(two_buffers_matrix(lam)), atol=1e-10 * (1 + abs(lam)))
    assert len(found.coefficients) == 3
