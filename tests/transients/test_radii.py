"""Pseudospectral radius and abscissa, and the distance to instability."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings, strategies as st
from numpy import ndarray
from numpy.testing import assert_allclose

from passband.transients import (
    distance_to_instability,
    kreiss,
    pseudospectral_abscissa,
    pseudospectral_radius,
)

SETTINGS = settings(max_examples=8, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


def grcar(n: int) -> ndarray:
    return sum((np.diag(np.ones(n - k), k) for k in (0, 1, 2, 3)), -np.diag(np.ones(n - 1), -1))


def jordan(n: int, value: float) -> ndarray:
    return value * np.eye(n) + np.diag(np.ones(n - 1), -1)


def transient_demo(n: int) -> ndarray:
    cycle = np.roll(np.eye(n), 1, axis=1)
    return 0.4 * (np.diag(np.exp(2j * np.pi * np.arange(n) / n)) + cycle) - 0.5 * np.eye(n)


def random(seed: int, n: int) -> ndarray:
    rng = np.random.default_rng(seed)
    A = np.triu(rng.standard_normal((n, n))) + 1j * rng.standard_normal((n, n)) * rng.integers(2)
    return 0.9 * A / np.abs(np.linalg.eigvals(A)).max()


def test_published_values_of_grcar() -> None:
    # 2.85216 and 2.41276 in Guglielmi and Overton, SIAM J. Matrix Anal. Appl. 32, 2011
    assert_allclose(pseudospectral_radius(grcar(100), 1e-4), 2.852156096332, rtol=1e-12)
    assert_allclose(pseudospectral_abscissa(grcar(100), 1e-4), 2.412764923593, rtol=1e-12)


@pytest.mark.parametrize("eps", [1e-8, 1e-3, 0.1, 10.0])
@pytest.mark.parametrize("kappa", [0.0, 1.0, 100.0])
def test_jordan_block_in_closed_form(eps: float, kappa: float) -> None:
    block = np.array([[0.5, kappa], [0.0, 0.5]])
    reach = math.sqrt(eps * (eps + kappa))  # |z − a|² = ε(ε + κ)

    assert_allclose(pseudospectral_radius(block, eps), 0.5 + reach, rtol=1e-12)
    assert_allclose(pseudospectral_abscissa(block, eps), 0.5 + reach, rtol=1e-12)
    assert_allclose(pseudospectral_abscissa(block - np.eye(2), eps), reach - 0.5, rtol=1e-11)


@SETTINGS
@given(seed=SEEDS, n=st.integers(2, 6), decade=st.floats(-6, 0))
def test_no_perturbation_exceeds_the_radius_and_one_attains_it(
    seed: int, n: int, decade: float
) -> None:
    A, eps = random(seed, n), 10**decade
    rng = np.random.default_rng(seed)

    radius, abscissa = pseudospectral_radius(A, eps), pseudospectral_abscissa(A, eps)

    for _ in range(20):
        E = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
        values = np.linalg.eigvals(A + eps * E / np.linalg.norm(E, 2))
        assert np.abs(values).max() <= radius * (1 + 1e-12)
        assert values.real.max() <= abscissa + 1e-12 * radius
    # the circle at the radius is outside, except where it touches
    circle = radius * np.exp(2j * np.pi * np.linspace(0, 1, 400))
    sigma = np.linalg.svd(circle[:, None, None] * np.eye(n) - A, compute_uv=False)[:, -1]
    assert sigma.min() >= eps * (1 - 1e-7) - 1e-14
    assert sigma.min() <= eps + radius * 2 * np.pi / 400  # σ has slope one at most


@SETTINGS
@given(seed=SEEDS, n=st.integers(1, 6), eps=st.floats(0, 2))
def test_normal_matrices_move_by_the_perturbation(seed: int, n: int, eps: float) -> None:
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n)))[0]
    values = rng.standard_normal(n) + 1j * rng.standard_normal(n)
    A = Q @ np.diag(values) @ Q.conj().T

    assert_allclose(pseudospectral_radius(A, eps), np.abs(values).max() + eps, rtol=1e-10)
    assert_allclose(pseudospectral_abscissa(A, eps), values.real.max() + eps, rtol=1e-9, atol=1e-9)


def test_kreiss_constant_is_the_supremum_over_perturbations() -> None:
    A = jordan(8, 0.5)

    def height(log_eps: float) -> float:
        eps = math.exp(log_eps)
        return -(pseudospectral_radius(A, eps) - 1) / eps

    best: Any = scipy.optimize.minimize_scalar(height, bounds=(-8, 0), method="bounded")

    assert_allclose(-best.fun, 9.413237322840614, rtol=1e-8)


def test_published_distance_of_slicot() -> None:
    A = [  # the example of AB13FD
        [246.5, 242.5, 202.5, -197.5],
        [-252.5, -248.5, -207.5, 202.5],
        [-302.5, -297.5, -248.5, 242.5],
        [-307.5, -302.5, -252.5, 246.5],
    ]

    # ‖A‖ = 1e3: rounding leaves ten digits
    assert_allclose(distance_to_instability(A, time="continuous"), 0.39196472317e-2, rtol=1e-10)


@pytest.mark.parametrize(
    ("A", "distance"),
    [
        ([[0.5, 0], [4, 0.5]], (math.sqrt(17) - 4) / 2),
        ([[3 / 4, 0], [28 / 27, 8 / 9]], 0.025907188488),
        (jordan(8, 0.5), 1 / 341.3033811986),
        (2 * jordan(6, 0), 0.0234618855552),
        (transient_demo(32), 2.6370386974e-4),
    ],
)
def test_reference_distances(A: Any, distance: float) -> None:
    assert_allclose(distance_to_instability(A), distance, rtol=5e-11)  # the digits given


@SETTINGS
@given(seed=SEEDS, n=st.integers(2, 6))
def test_the_nearest_unstable_matrix_is_that_far(seed: int, n: int) -> None:
    A = random(seed, n)

    distance = distance_to_instability(A)

    assert_allclose(pseudospectral_radius(A, distance), 1, rtol=1e-8)
    assert distance <= 1 - 0.9 + 1e-12  # no farther than the nearest eigenvalue
    assert kreiss(A, rtol=1e-3).upper >= 1


def test_at_level_zero_it_is_the_spectrum() -> None:
    A = random(1, 5)

    assert_allclose(pseudospectral_radius(A, 0), 0.9, rtol=1e-12)
    assert_allclose(pseudospectral_abscissa(A, 0), np.linalg.eigvals(A).real.max(), rtol=1e-12)


@pytest.mark.parametrize("A", [[[2.0]], [[1.0]], [[1, 1], [0, 1]], [[0, 1], [-1, 0]]])
def test_nothing_is_needed_where_it_is_unstable_already(A: Any) -> None:
    assert distance_to_instability(A) <= 1e-15


def test_a_scalar() -> None:
    assert_allclose(pseudospectral_radius([[0.5j]], 0.25), 0.75)
    assert_allclose(distance_to_instability([[0.25]]), 0.75)
    assert_allclose(distance_to_instability([[-3]], time="continuous"), 3)
    assert pseudospectral_radius([[0]], 0) == 0


@pytest.mark.parametrize("eps", [-1e-3, math.nan, math.inf])
def test_refuses_what_is_no_level(eps: float) -> None:
    with pytest.raises(ValueError, match="`eps` must be zero or positive"):
        pseudospectral_radius([[0.5]], eps)
    with pytest.raises(ValueError, match="`eps` must be zero or positive"):
        pseudospectral_abscissa([[0.5]], eps)
