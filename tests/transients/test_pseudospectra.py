"""Levels on a grid against full decompositions, one a point."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy import ndarray
from numpy.testing import assert_allclose

from passband.transients import pseudospectrum, pseudospectrum_low_rank

SETTINGS = settings(max_examples=8, deadline=None)


def matrix(seed: int, n: int, *, real: bool) -> ndarray:
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n)) / math.sqrt(n) + np.diag(np.ones(n - 1), 1)
    return A if real else A + 0.5j * rng.standard_normal((n, n)) / math.sqrt(n)


def one_by_one(A: ndarray, x: ndarray, y: ndarray) -> ndarray:
    z = x + 1j * y[:, None]
    return np.linalg.svd(z[..., None, None] * np.eye(len(A)) - A, compute_uv=False)[..., -1]


@pytest.mark.parametrize("n", [1, 2, 7, 32, 33, 65, 100])
@pytest.mark.parametrize("real", [True, False])
def test_equals_full_decompositions(n: int, real: bool) -> None:
    A, x, y = matrix(n, n, real=real), np.linspace(-2, 2, 5), np.linspace(-1, 2, 4)

    found = pseudospectrum(A, x, y)

    # the iteration stops at 1e-10; rounding is absolute
    assert found.sigma.shape == (4, 5)
    assert_allclose(found.sigma, one_by_one(A, x, y), rtol=1e-9, atol=1e-14 * n)
    gaps = np.abs(found.eigenvalues[:, None] - np.linalg.eigvals(A))
    assert gaps.min(axis=0).max() < 1e-8


def test_a_grid_through_eigenvalues_is_finite() -> None:
    for n in (4, 80):
        sigma = pseudospectrum(np.diag(np.arange(n)), x=[0, 0.5, 1], y=[0.0]).sigma
        assert_allclose(sigma, [[0, 0.5, 0]], atol=1e-13)


def test_multiple_singular_values_do_not_stall() -> None:
    sigma = pseudospectrum(2 * np.eye(90), x=[0, 5], y=[0, 1]).sigma

    assert_allclose(sigma, [[2, 3], [math.sqrt(5), math.sqrt(10)]])


@pytest.mark.parametrize("n", [200, 400])
def test_crowded_singular_values_are_as_good_as_stated(n: int) -> None:
    """There is no gap to converge by: 80 steps end where they end."""
    u = np.linspace(0, 1, n)
    for levels in (1 + u**2, 1 + 9 * u**2, 1 + u**3):
        (error,) = pseudospectrum(np.diag(levels), x=[0], y=[0]).sigma[0] - 1
        assert -1e-12 < error < 2e-4


@SETTINGS
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(3, 40),
    rank=st.integers(1, 4),
    real=st.booleans(),
)
def test_low_rank_is_exact(seed: int, n: int, rank: int, real: bool) -> None:
    rank = min(rank, (n - 1) // 2)
    rng = np.random.default_rng(seed)
    U, V = rng.standard_normal((2, n, rank)) + (0 if real else 1j) * rng.standard_normal(
        (2, n, rank)
    )
    x, y, a = np.linspace(-1, 3, 4), np.linspace(-2, 1, 3), rng.standard_normal()

    found = pseudospectrum_low_rank(a, U, V, x, y)

    assert_allclose(found.sigma, one_by_one(a * np.eye(n) + U @ V.T, x, y), rtol=1e-9, atol=1e-12)


def test_prints_window_levels_and_eigenvalues() -> None:
    grid = pseudospectrum(np.diag([0.5, 0.75, 3.0]), x=[0, 1], y=[-1, 0, 2])

    assert str(grid).splitlines() == [
        "pseudospectrum on 2 × 3 points, Re 0 to 1, Im -1 to 2",
        "  sigma        0.25, at 1+0j, to 2.06",
        "  eigenvalues  2 of 3 in the window",
    ]


def test_refuses_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="square"):
        pseudospectrum(np.ones((2, 3)), [0], [0])
    with pytest.raises(ValueError, match="`x` must be a line of real numbers"):
        pseudospectrum([[1]], [[0]], [0])
    with pytest.raises(ValueError, match="`y` must be a line of real numbers"):
        pseudospectrum([[1]], [0], [1j])
    with pytest.raises(ValueError, match="`y` must be finite"):
        pseudospectrum([[1]], [0], [math.nan])
    with pytest.raises(ValueError, match="same shape"):
        pseudospectrum_low_rank(1, np.ones((4, 2)), np.ones((4, 2)), [0], [0])
