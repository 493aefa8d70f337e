"""Roots of polynomials that were made from them."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy import ndarray
from numpy.testing import assert_allclose

from passband.filters.crossings import polynomial_conditions
from passband.filters.roots import LARGEST_DEGREE, real_roots

SETTINGS = settings(deadline=None, max_examples=15)


def product(roots: Sequence[complex]) -> Callable[[ndarray], ndarray]:
    return lambda mu: np.real(np.prod([mu - root for root in roots], axis=0))


@SETTINGS
@given(seed=st.integers(0, 2**32 - 1), degree=st.integers(2, 8))
def test_roots_of_both_signs_are_found_wherever_they_are(seed: int, degree: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = 3.0 ** np.cumsum(rng.uniform(0.5, 1.5, degree)) * 10 ** rng.uniform(-6, 3)
    roots = np.sort(sizes * rng.choice([-1, 1], degree))

    found = real_roots(product(roots.tolist()), degree=degree, scale=1.0)

    assert found is not None
    assert_allclose(found, roots, rtol=1e-12)


def test_a_bound_of_the_degree_will_do() -> None:
    assert_allclose(real_roots(product([1.0, 2.0]), degree=7, scale=1.0) or [], [1, 2], rtol=1e-12)


def test_only_real_roots_count_and_double_ones_once() -> None:
    assert real_roots(product([1j, -1j]), degree=2, scale=1.0) == []
    assert real_roots(product([2 + 0.1j, 2 - 0.1j]), degree=2, scale=1.0) == []
    twice = real_roots(product([3.0, 3.0, -1.0]), degree=3, scale=1.0)
    assert_allclose(twice or [], [-1, 3], rtol=1e-7)  # √eps, the accuracy of a double root


def test_many_roots_that_crowd_at_the_ends() -> None:
    """Those of the Chebyshev polynomial: cos ((k + ½) π / n)."""
    n = 60

    def chebyshev(mu: ndarray) -> ndarray:
        inside = np.cos(n * np.arccos(np.clip(mu, -1, 1)))
        outside = np.sign(mu) ** n * np.cosh(n * np.arccosh(np.maximum(np.abs(mu), 1)))
        return np.where(np.abs(mu) <= 1, inside, outside)

    with np.errstate(over="ignore"):
        found = real_roots(chebyshev, degree=n, scale=1.0)

    exact = np.sort(np.cos((np.arange(n) + 0.5) * np.pi / n))
    assert_allclose(found or [], exact, rtol=1e-10)


def test_values_beyond_double_precision_hide_no_root() -> None:
    with np.errstate(over="ignore"):
        found = real_roots(lambda mu: 1e300 * product([-2.0, 1.0, 3.0])(mu), degree=3, scale=1.0)

    assert_allclose(found or [], [-2, 1, 3], rtol=1e-12)


def test_those_below_the_scale_alone() -> None:
    function = product([-0.5, 0.25, 0.75, 1.5])

    assert_allclose(
        real_roots(function, degree=4, scale=1.0, only="below") or [], [0.25, 0.75], rtol=1e-12
    )


@pytest.mark.parametrize("root", [0.0, 1.0, -3.0, 1e-30, 1e12, -1e12])
@pytest.mark.parametrize("slope", [1.0, -1e3])
def test_the_root_of_an_affine_function_is_exact(root: float, slope: float) -> None:
    (found,) = real_roots(lambda mu: slope * (mu - root), degree=1, scale=1.0) or []

    assert_allclose(found, root, rtol=1e-15)


def test_constants_have_no_root_and_zero_has_them_all() -> None:
    assert real_roots(lambda mu: 1 + 0 * mu, degree=1, scale=1.0) == []
    assert real_roots(lambda mu: 1 + 0 * mu, degree=3, scale=1.0) == []
    assert real_roots(lambda mu: 0 * mu, degree=1, scale=1.0) is None
    assert real_roots(lambda mu: 0 * mu, degree=3, scale=1.0) is None


def test_a_degree_beyond_reach_is_said() -> None:
    with pytest.raises(ValueError, match=f"up to polynomial degree {LARGEST_DEGREE}"):
        real_roots(product([1.0]), degree=LARGEST_DEGREE + 1, scale=1.0)


@pytest.mark.parametrize("b", [0.03, 0.7, 20.0])
def test_beside_a_multiplier_that_is_always_one_the_others_are_seen_to_cross(b: float) -> None:
    """M = [[1, μ], [0, 1 + μ (μ − b)]] has the multipliers 1 and 1 + μ (μ − b)."""

    def change(mu: np.ndarray) -> np.ndarray:
        E = np.zeros((len(mu), 2, 2))
        E[:, 0, 1], E[:, 1, 1] = mu, mu * (mu - b)
        return E

    drift, *_ = polynomial_conditions(change, size=2, degree=2, scale=1.0)

    assert drift.exit == "+1"
    assert drift.zeros is not None
    assert_allclose(drift.zeros, [0, b], rtol=1e-10)


def test_a_change_of_sign_that_no_polynomial_resolves_is_found() -> None:
    """A jump, as rounding makes of a polynomial of high degree: halved until nothing is left."""

    def jump(mu: ndarray) -> ndarray:
        return np.sign(mu - 0.3) + 1e-3 * mu

    found = real_roots(jump, degree=100, scale=1.0)

    assert found is not None
    assert_allclose(found, [0.3], rtol=1e-3)
