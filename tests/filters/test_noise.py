"""Noise and mean-square edges: closed forms, tables, and enumeration of batches."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose

from passband.filters import (
    SGD,
    USAM,
    DerivativeAction,
    ExtrapolatedNesterov,
    Filter,
    HeldAscent,
    HessianUSAM,
    MixedMemory,
    Parity,
    PeriodicAscent,
    Proximal,
    Secant,
    batch_sharpness,
    largest_stable_lr,
)

SETTINGS = settings(deadline=None, max_examples=15)
GD = SGD(lr=1.0)

# filter; κ; noise relative to gradient descent at .1 and .5 of the edge; mean square over edge
PARETO: list[tuple[Filter, float, float, float, float]] = [
    (SGD(lr=4.0), 2.0, 4.3, 7.0, 0.80),
    (USAM(lr=1.0, rho=6.0), 6.5, 1.31, 3.18, 0.70),
    (USAM(lr=1.0, rho=2.0, steps=2), 4.5, 1.22, 2.74, 0.68),
    (HessianUSAM(lr=1.0, rho=12.0), 0.5, 1.03, 1.96, 0.64),
    (PeriodicAscent(lr=1.0, rho=10.0, every=2), 5.5, 1.31, 4.45, 0.65),
    (HeldAscent(lr=1.0, rho=10 / 3, every=2), 3.8, 1.19, 2.47, 0.82),
    (HeldAscent(lr=1.0, rho=18 / 7, every=3), 3.1, 1.16, 2.25, 0.87),
    (DerivativeAction(lr=1.0, strength=-2.0), 2.5, 1.11, 1.91, 0.88),
    (Parity(lr=1.0, strength=1.5), 2.0, 1.08, 1.41, 0.93),
    (Secant(lr=1.0, strength=1.5), 0.5, 1.00, 0.99, 0.91),
    (DerivativeAction(lr=1.0, strength=1.5), -1.0, 0.93, 0.80, 0.88),
    (MixedMemory(lr=1.0, strength=1.5), 1.25, 1.04, 1.15, 0.92),
]


@pytest.mark.parametrize("row", PARETO, ids=lambda row: repr(row[0]))
def test_the_pareto_table(row: tuple[Filter, float, float, float, float]) -> None:
    filter, kappa, low, middle, mean_square = row

    noise = filter.noise([0.05, 0.25]) / GD.noise([0.05, 0.25])

    assert_allclose(filter.edge, 0.5)
    assert_allclose(filter.kappa, kappa, rtol=0, atol=0.05)
    # the table is rounded to the digits that it shows
    assert_allclose(noise, [low, middle], rtol=0, atol=0.051 if low > 4 else 0.0051)
    assert_allclose(filter.mean_square_edge(ratio=0.5) / 0.5, mean_square, rtol=0, atol=0.0051)


@pytest.mark.parametrize(
    ("family", "options", "low", "middle", "mean_square"),
    [
        (USAM, {"rho": 3 / 0.95}, 1.31, 3.18, 0.23),
        (USAM, {"rho": 1 / 0.95, "steps": 2}, 1.22, 2.74, 0.25),
        (HessianUSAM, {"rho": 3 / 0.95**2}, 1.03, 1.96, 0.28),
        (ExtrapolatedNesterov, {"extrapolation": 1.5}, 0.41, 0.13, 0.75),
        (DerivativeAction, {"strength": 0.75 / 0.95}, 0.88, 0.38, 0.85),
        (Secant, {"strength": 0.75 / 0.95}, 1.02, 1.39, 0.59),
    ],
)
def test_the_table_with_momentum(
    *, family: type, options: dict[str, float], low: float, middle: float, mean_square: float
) -> None:
    heavy_ball = SGD(lr=1.0, momentum=0.9)
    filter: Filter = family(lr=1.0, momentum=0.9, **options)

    noise = filter.noise([0.095, 0.475]) / heavy_ball.noise([0.095, 0.475])

    assert_allclose(filter.edge, 0.95)
    assert_allclose(noise, [low, middle], rtol=0, atol=0.0051)
    assert_allclose(filter.mean_square_edge(ratio=0.5) / 0.95, mean_square, rtol=0, atol=0.0051)


@SETTINGS
@given(
    lr=st.floats(-6, 3).map(lambda x: 10.0**x),
    momentum=st.floats(0, 0.999),
    part=st.floats(1e-6, 0.999),
)
def test_noise_of_heavy_ball_in_closed_form(lr: float, momentum: float, part: float) -> None:
    C = 2 * (1 + momentum) / lr
    lam = part * C

    noise = SGD(lr=lr, momentum=momentum).noise(lam)

    closed = lr * (1 + momentum) / ((1 - momentum) * lam * (2 * (1 + momentum) - lr * lam))
    assert_allclose(noise, closed, rtol=1e-7)


@SETTINGS
@given(lr=st.floats(1e-3, 1e3), lam=st.floats(1e-3, 1e3))
def test_noise_of_an_implicit_step_is_contracted_with_it(lr: float, lam: float) -> None:
    """``(1 + αλ) x ← x + α ε``, so the variance v is α² / ((1 + αλ)² − 1)."""
    assert_allclose(Proximal(lr=lr).noise(lam), lr / (lam * (2 + lr * lam)), rtol=1e-7)


@SETTINGS
@given(lr=st.floats(0.01, 10), rho=st.floats(0, 5), steps=st.integers(1, 4), lam=st.floats(1e-3, 1))
def test_noise_is_amplified_by_the_ascent_twice(
    lr: float, rho: float, steps: int, lam: float
) -> None:
    filter = USAM(lr=lr, rho=rho, steps=steps)
    p = lam * (1 + rho * lam) ** steps

    noise = filter.noise(lam)

    if lr * p < 2 * (1 - 1e-9):
        assert_allclose(noise, (p / lam) ** 2 * SGD(lr=lr).noise(p), rtol=1e-9)


@SETTINGS
@given(
    lr=st.floats(-6, 3).map(lambda x: 10.0**x),
    momentum=st.floats(0, 0.999),
    ratio=st.floats(0.01, 20),
)
def test_mean_square_edge_of_heavy_ball_in_closed_form(
    lr: float, momentum: float, ratio: float
) -> None:
    edge = SGD(lr=lr, momentum=momentum).mean_square_edge(ratio=ratio)

    closed = 2 * (1 - momentum**2) / (lr * ((1 - momentum) + ratio**2 * (1 + momentum)))
    assert_allclose(edge, closed, rtol=1e-8)


@SETTINGS
@given(momentum=st.floats(0, 0.9), extrapolation=st.floats(0, 3), ratio=st.floats(0.05, 3))
def test_mean_square_edges_solve_the_one_gradient_criterion(
    momentum: float, extrapolation: float, ratio: float
) -> None:
    """ν² λ² Γ(λ) = 1, with the Γ of all two-state methods; here F = −η c."""
    filter = ExtrapolatedNesterov(lr=1.0, momentum=momentum, extrapolation=extrapolation)
    lam, F, b = filter.mean_square_edge(ratio=ratio), -extrapolation, momentum

    top = (1 + b + F * lam) * ((1 - F) ** 2 + F * F)
    top += 2 * (1 + b - (1 - F) * lam) * (1 - F) * F
    bottom = (1 - b - F * lam) * lam * (2 * (1 + b) - (1 - 2 * F) * lam)
    assert_allclose(ratio**2 * lam**2 * top / bottom, 1, rtol=1e-7)


def test_mean_square_edges_of_ascents_are_those_of_simulated_batches() -> None:
    """Gaussian batch curvatures, by the moments E (1 − η p(λ_B))² that they need."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    for filter in (
        USAM(lr=0.1, rho=0.3),
        USAM(lr=0.1, rho=0.3, steps=3),
        HessianUSAM(lr=0.1, rho=0.3),
        USAM(lr=0.1, rho=0.02, steps=12),  # of high degree: by a grid and bisection
    ):
        edge = filter.mean_square_edge(ratio=0.7)

        multiplier = filter.transition(edge * (1 + 0.7 * nodes))[:, 0, 0]
        assert_allclose(multiplier**2 @ weights / weights.sum(), 1, rtol=1e-9)


@pytest.mark.parametrize("steps", [1, 12])
def test_without_noise_the_mean_square_edge_is_the_edge(steps: int) -> None:
    filter = USAM(lr=0.1, rho=0.02, steps=steps)

    assert_allclose(filter.mean_square_edge(ratio=0.0), filter.edge, rtol=1e-12)


def test_momentum_one_forgets_nothing() -> None:
    filter = SGD(lr=0.1, momentum=1.0)

    assert filter.noise(5.0) == math.inf
    assert filter.mean_square_edge(ratio=0.1) == 0.0
    assert math.isnan(filter.gain)


def spread(seed: int, n: int, d: int) -> np.ndarray:
    """Sample Hessians of a minimum: positive semidefinite, of low rank each."""
    factors = np.random.default_rng(seed).standard_normal((n, d, 2))
    return factors @ np.swapaxes(factors, 1, 2)


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
def test_the_exact_edge_of_sgd_is_that_of_all_batches(batch: int) -> None:
    hessians = spread(0, n=4, d=3)

    lr = largest_stable_lr(hessians, batch=batch)

    steps = [
        np.eye(3) - lr * hessians[list(chosen)].mean(axis=0)
        for chosen in itertools.combinations(range(4), batch)
    ]
    second_moment = np.mean([np.kron(M, M) for M in steps], axis=0)
    assert_allclose(np.abs(np.linalg.eigvals(second_moment)).max(), 1, rtol=1e-9)


def test_a_full_batch_has_the_edge_of_gradient_descent() -> None:
    hessians = spread(1, n=5, d=4)

    lr = largest_stable_lr(hessians, batch=5)

    assert_allclose(lr, 2 / np.linalg.eigvalsh(hessians.mean(axis=0))[-1])


@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_the_exact_edge_of_sgd_has_the_unit_of_a_curvature(unit: float) -> None:
    flat = np.array([np.diag([1.0, 0.0]), np.diag([3.0, 0.0])])

    for hessians in (spread(0, n=4, d=3), flat):
        lr = largest_stable_lr(hessians * unit, batch=1)
        assert_allclose(lr * unit, largest_stable_lr(hessians, batch=1), rtol=1e-9)


def test_flat_directions_are_free_and_noise_along_them_is_not() -> None:
    flat = np.array([np.diag([1.0, 0.0]), np.diag([3.0, 0.0])])
    noisy = np.array([np.diag([1.0, 1.0]), np.diag([3.0, -1.0])])

    assert_allclose(largest_stable_lr(flat, batch=1), 2 / 2.5)
    assert largest_stable_lr(noisy, batch=1) == 0
    assert largest_stable_lr(np.zeros((3, 2, 2)), batch=1) == math.inf


@pytest.mark.parametrize(
    ("hessians", "batch", "message"),
    [
        (np.zeros((2, 3)), 1, r"of shape \(n, d, d\)"),
        (np.zeros((2, 2, 2)), 3, "at most the 2 samples; got 3"),
        (np.zeros((2, 2, 2)), 0, "`batch` must be a whole number"),
        (np.array([[[0.0, 1.0], [0.0, 0.0]]]), 1, "must be symmetric"),
        (np.array([[[-1.0]]]), 1, "that of a minimum; its smallest eigenvalue is -1"),
        (np.array([[[0.0, 1e-12], [0.0, 0.0]]]), 1, "must be symmetric"),
        (np.array([[[-1e-12]]]), 1, "its smallest eigenvalue is -1e-12"),
    ],
)
def test_what_is_no_minimum_is_refused(hessians: np.ndarray, batch: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        largest_stable_lr(hessians, batch=batch)


def test_batch_sharpness_of_means_and_of_ratios() -> None:
    gradients = np.array([[1.0, 0.0], [0.0, 2.0]])
    products = gradients * np.array([3.0, 5.0])

    assert_allclose(batch_sharpness(gradients, products), (3 + 5 * 4) / 5)
    assert_allclose(batch_sharpness(gradients, products, of="ratios"), 4)
    with pytest.raises(ValueError, match="one shape"):
        batch_sharpness(gradients, products[:1])
    with pytest.raises(ValueError, match=r"not zero; of 2 those at \[1\] are zero. Leave them out"):
        batch_sharpness(gradients * np.array([[1.0], [0.0]]), products)
