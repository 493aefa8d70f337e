"""Overshoot, the Kreiss bracket and settling, against powers of the matrix."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose

from passband.filters import SGD, Filter, HeldAscent, Proximal
from passband.filters.growth import kreiss_lower_bound, overshoot, settling
from passband.transients import kreiss

SETTINGS = settings(deadline=None, max_examples=15)


def norms(M: np.ndarray, steps: int) -> np.ndarray:
    power, found = np.eye(len(M)), list[float]()
    for _ in range(steps):
        found.append(float(np.linalg.norm(power, 2)))
        power = M @ power
    return np.array(found)


def scaled(M: np.ndarray, radius: float) -> np.ndarray:
    return M * (radius / np.abs(np.linalg.eigvals(M)).max())


@SETTINGS
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5), radius=st.floats(0.05, 0.98))
def test_peak_and_settling_of_random_matrices(seed: int, n: int, radius: float) -> None:
    M = scaled(np.random.default_rng(seed).standard_normal((n, n)), radius)
    curve = norms(M, 1500)

    found, steps = overshoot(M), settling(M, eps=0.01)

    assert_allclose(found.peak, curve.max(), rtol=1e-9)
    assert_allclose(curve[found.step], curve.max(), rtol=1e-9)
    assert (curve[int(steps) :] <= 0.01).all()
    assert steps == 0 or curve[int(steps) - 1] > 0.01


@SETTINGS
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 5), radius=st.floats(0.1, 0.99))
def test_kreiss_matrix_theorem(seed: int, n: int, radius: float) -> None:
    M = scaled(np.triu(np.random.default_rng(seed).standard_normal((n, n))), radius)

    found = overshoot(M)

    assert 1 <= found.kreiss_lower <= found.kreiss_upper == found.peak
    assert found.peak <= math.e * n * found.kreiss_lower * (1 + 1e-9)
    assert found.kreiss_lower <= kreiss(M, rtol=1e-6).upper * (1 + 1e-9)


def test_the_kreiss_constant_of_a_jordan_block_of_coupled_descent() -> None:
    """For [[γ, 0], [c, γ]] and large c the constant is c / (4 (1 − γ)) + (1 − γ) / c."""
    gamma, c = 0.9, 1.0
    M = np.array([[gamma, 0.0], [c, gamma]])

    assert_allclose(kreiss_lower_bound(M), c / (4 * (1 - gamma)) + (1 - gamma) / c, rtol=1e-4)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_heavy_ball_rises_to_its_closed_form_at_the_edge(momentum: float) -> None:
    filter = SGD(lr=0.1, momentum=momentum)

    peak = filter.overshoot(filter.edge * (1 - 1e-9)).peak

    closed = math.sqrt(5 * ((1 + momentum) ** 2 + momentum**2)) / (1 - momentum)
    assert_allclose(peak, closed if momentum else 1.0, rtol=1e-3)


def test_overshoot_does_not_depend_on_units_of_the_loss() -> None:
    one, other = SGD(lr=0.1, momentum=0.9), SGD(lr=1e-5, momentum=0.9)

    assert_allclose(one.overshoot(10.0).peak, other.overshoot(1e5).peak)


def test_outside_the_passband_growth_has_no_end() -> None:
    filter = SGD(lr=0.1, momentum=0.9)

    assert filter.overshoot(39.0).peak == math.inf
    assert filter.settling(39.0) == math.inf
    assert filter.settling(0.0) == math.inf
    assert filter.overshoot(-1.0).kreiss_upper == math.inf


def test_settling_is_counted_in_steps_of_the_optimizer() -> None:
    filter = HeldAscent(lr=0.1, rho=0.3, every=2)

    assert filter.settling(3.0) % 2 == 0
    assert Proximal(lr=1.0).settling(1.0, eps=0.1) == 4  # 2⁻⁴ is the first below 0.1


@pytest.mark.parametrize(
    ("lr", "eps", "steps"),
    [
        (0.5, 0.25, 2),  # 2⁻² is eps, and eps is enough
        (0.5, 1.0, 0),
        (1e-3, 1e-3, 6905),  # ln eps / ln (1 − lr) = 6904.3
        (1e-5, 1e-3, 690773),  # 690772.07
    ],
)
def test_settling_of_descent_is_a_logarithm(lr: float, eps: float, steps: int) -> None:
    assert SGD(lr=lr).settling(1.0, eps=eps) == steps


def test_a_late_peak_is_found() -> None:
    """Of ``c k γᵏ⁻¹`` the largest is at ``k = −1 / ln γ``; the γᵏ add ``k⁻²`` of it."""
    gamma, c = 0.999, 1.0

    found = overshoot(np.array([[gamma, 0.0], [c, gamma]]))

    assert abs(found.step + 1 / math.log(gamma)) <= 1
    assert_allclose(found.peak, c * found.step * gamma ** (found.step - 1), rtol=2e-6)


def test_one_curvature_at_a_time() -> None:
    with pytest.raises(ValueError, match=r"`lam` must be one curvature; got .*in a loop"):
        SGD(lr=0.1).overshoot(np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"`lam` must be real here; got 1j.*`rotation_edge`"):
        SGD(lr=0.1).noise(1j)
    with pytest.raises(ValueError, match="`eps` must be positive"):
        SGD(lr=0.1).settling(1.0, eps=0.0)


def test_every_filter_of_the_catalogue_is_bounded_inside(filter: Filter) -> None:
    found = filter.overshoot(0.5 * min(filter.edge, 1e3))

    assert 1 <= found.kreiss_lower <= found.peak < 100
    assert "after" in str(found)
