"""What one gradient a step and a memory can do: the theorems that hold for all of them."""

import numpy as np
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose

from passband.filters import SGD, Filter
from passband.filters.loop import Loop
from passband.filters.memory import memory_loop

SETTINGS = settings(deadline=None, max_examples=20)


def test_one_gradient_methods_have_no_leak(filter: Filter) -> None:
    """One gradient a step, explicit, in every stage: no saddle attracts."""
    explicit = len(filter.stages) == 1 and filter.gradients_per_step == 1
    if explicit and not getattr(filter, "weight_decay", 0):
        assert not filter.leaks


@SETTINGS
@given(
    seed=st.integers(0, 2**32 - 1),
    depth=st.integers(1, 6),
    momentum=st.floats(0, 0.95),
)
def test_no_weighting_of_past_gradients_makes_a_leak(
    seed: int, depth: int, momentum: float
) -> None:
    weights = np.random.default_rng(seed).standard_normal(depth)

    loop = memory_loop(lr=1.0, momentum=momentum, weights=tuple(weights.tolist()))

    assert not loop.admissible().leaks


@SETTINGS
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 7))
def test_random_loops_agree_with_a_scan(seed: int, size: int) -> None:
    """Loops of any order, some with holes in their passband."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((size, size))
    A[0] = A[:, 0] = 0
    A[1:, 1:] *= rng.uniform(0.1, 1.2) / np.abs(np.linalg.eigvals(A[1:, 1:])).max()
    A[0, 0] = 1.0
    b, c = rng.standard_normal((2, size))
    slots = ("theta", *(f"memory{i}" for i in range(1, size)))
    loop = Loop(D=A - np.eye(size), b=b, c=c, x=c, slots=slots)

    passband = loop.admissible()

    ends = np.array([e for i in passband for e in i if np.isfinite(e)] or [1.0])
    reach = 3 * np.abs(ends).max()
    mu = np.concatenate(
        [np.linspace(-reach, reach, 4001), np.outer([-1, 1], np.geomspace(1e-6, 1e3, 500)).ravel()]
    )
    radius = np.abs(np.linalg.eigvals(loop.transition(mu))).max(axis=1)
    assert not mu[(radius < 1 - 1e-9) & ~passband.contains(mu)].size
    assert not mu[(radius > 1 + 1e-7) & passband.contains(mu)].size


@SETTINGS
@given(momentum=st.floats(0, 0.99), lookahead=st.floats(-3, 3))
def test_look_ahead_momentum_in_closed_form(momentum: float, lookahead: float) -> None:
    """Every two-state method with one gradient: y = x + F m."""
    F = lookahead
    loop = Loop.from_changes(
        {
            "theta": -(momentum * np.array([0.0, 1, 0]) + np.array([0.0, 0, 1])),
            "m": np.array([0.0, momentum - 1, 1]),
        },
        point=np.array([1.0, F, 0]),
    )
    edges = [2 * (1 + momentum) / (1 - 2 * F)] if 2 * F < 1 else []
    if F > 0:
        edges.append((1 - momentum) / F)

    assert_allclose(loop.admissible().edge, min(edges), rtol=1e-9)


def test_the_exit_at_minus_one_is_a_phase_of_the_memory() -> None:
    """L = C / (1 + C F(−1)) where the mode at the edge alternates, y = x − F(z) g."""
    C = SGD(lr=1.0, momentum=0.5).edge
    for weights in [(-0.2,), (-0.1, 0.1), (0.0, 0.2), (-0.1, 0.05, -0.1)]:
        F = -sum(w * (-1.0) ** (j + 1) for j, w in enumerate(weights))

        interval = memory_loop(lr=1.0, momentum=0.5, weights=weights).admissible().intervals[0]

        assert interval.upper_exit == -1
        assert_allclose(interval.upper, C / (1 - C * F), rtol=1e-12)
