"""Peaks and settling times against all powers computed one by one."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings, strategies as st
from numpy import ndarray
from numpy.testing import assert_allclose

from passband.transients import growth, kreiss

SETTINGS = settings(max_examples=10, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


def jordan(n: int, value: float) -> ndarray:
    return value * np.eye(n) + np.diag(np.ones(n - 1), -1)


def grcar(n: int) -> ndarray:
    return sum((np.diag(np.ones(n - k), k) for k in (0, 1, 2, 3)), -np.diag(np.ones(n - 1), -1))


def transient_demo(n: int) -> ndarray:
    cycle = np.roll(np.eye(n), 1, axis=1)
    return 0.4 * (np.diag(np.exp(2j * np.pi * np.arange(n) / n)) + cycle) - 0.5 * np.eye(n)


def stable(seed: int, n: int, *, real: bool = True) -> ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n, n)) * (1 if real else 1j)
    A = np.triu(rng.standard_normal((n, n)) * rng.uniform(0, 3)) + 0.1 * noise
    return A * rng.uniform(0.3, 0.98) / np.abs(np.linalg.eigvals(A)).max()


def norms_of_powers(A: ndarray, count: int) -> ndarray:
    powers = [np.eye(len(A))]
    for _ in range(count):
        powers.append(A @ powers[-1])
    return np.linalg.norm(np.array(powers), 2, axis=(1, 2))


@pytest.mark.parametrize(
    ("A", "peak", "step"),
    [
        ([[0.5, 0], [4, 0.5]], (math.sqrt(17) + 4) / 2, 1),
        ([[3 / 4, 0], [28 / 27, 8 / 9]], 2.446594216809, 5),
        (jordan(8, 0.5), 34.035331175914, 13),
        (2 * jordan(6, 0), 32, 5),
        (transient_demo(32), 187.175121630, 35),
        ([[0.5]], 1, 0),
        ([[1]], 1, 0),
        (np.zeros((3, 3)), 1, 0),
        ([[0, 1], [-1, 0]], 1, 0),
    ],
)
def test_reference_peaks_of_iterations(A: Any, peak: float, step: int) -> None:
    found = growth(A)

    assert_allclose([found.peak, found.bound], peak, rtol=1e-9)
    assert found.step == step


def test_a_matrix_that_vanishes_in_five_steps_whatever_its_computed_eigenvalues() -> None:
    """gallery(5): A⁵ = 0 in integers, though float64 finds eigenvalues of modulus 0.04."""
    A = [
        [-9, 11, -21, 63, -252],
        [70, -69, 141, -421, 1684],
        [-575, 575, -1149, 3451, -13801],
        [3891, -3891, 7782, -23345, 93365],
        [1024, -1024, 2048, -6144, 24572],
    ]
    exact = [np.linalg.matrix_power(np.array(A, dtype=object), k) for k in range(6)]
    norms = [np.linalg.norm(power.astype(float), 2) for power in exact]

    found, K = growth(A), kreiss(A, rtol=1e-3)

    assert norms[5] == 0
    assert found.step == 3
    assert_allclose([found.peak, found.bound], max(norms), rtol=1e-12)
    # rounding: ‖zI − A‖ u K / (|z| − 1)
    assert 1e-7 < K.accuracy < 1e-3
    assert K.lower <= max(norms) <= math.e * 5 * K.upper


@pytest.mark.parametrize(
    ("A", "peak", "time"),
    [
        (transient_demo(32), 149.596555678, 34.618047),
        (-grcar(32), 399.038248989, 20.69515),
    ],
    ids=["transient demo", "Grcar"],
)
def test_reference_peaks_of_flows(A: ndarray, peak: float, time: float) -> None:
    found = growth(A, time="continuous")

    assert_allclose(found.peak, peak, rtol=1e-11)
    assert_allclose(found.time, time, rtol=1e-6)
    assert found.peak <= found.bound <= found.peak * 1.002


@SETTINGS
@given(seed=SEEDS, n=st.integers(1, 6), real=st.booleans(), exponent=st.floats(-4, 1.5))
def test_equals_all_powers_one_by_one(seed: int, n: int, real: bool, exponent: float) -> None:
    A = stable(seed, n, real=real)
    norms = norms_of_powers(A, 1500)
    eps = 10**exponent

    found = growth(A)

    assert_allclose(found.peak, norms.max(), rtol=1e-9)
    assert_allclose(norms[found.step], norms.max(), rtol=1e-9)
    assert found.peak <= found.bound <= found.peak * (1 + 2e-5)
    above = np.flatnonzero(norms > eps)
    assert above.size == 0 or above[-1] < 1500
    assert found.settling(eps) == (above[-1] + 1 if above.size else 0)
    inside = found.times <= 1500
    assert_allclose(found.curve[inside], norms[found.times[inside].astype(int)], rtol=1e-7)


@pytest.mark.parametrize(("eps", "steps"), [(0.25, 2), (0.5, 1), (2.0**-40, 40), (1.0, 0)])
def test_settling_at_a_level_that_is_attained(eps: float, steps: int) -> None:
    assert growth([[0.5]]).settling(eps) == steps


@SETTINGS
@given(seed=SEEDS, n=st.integers(1, 6), real=st.booleans())
def test_the_worst_start_is_amplified_by_the_peak(seed: int, n: int, real: bool) -> None:
    A = stable(seed, n, real=real)

    found = growth(A)

    assert_allclose(np.linalg.norm(found.direction), 1)
    assert_allclose(np.linalg.norm(found.response), found.peak, rtol=1e-9)
    image = np.linalg.matrix_power(A, found.step) @ found.direction
    assert_allclose(found.response, image, atol=1e-12 * found.peak)
    assert np.isrealobj(found.direction) == real


@SETTINGS
@given(seed=SEEDS, n=st.integers(2, 6))
def test_lies_between_the_kreiss_constant_and_its_multiple(seed: int, n: int) -> None:
    A = stable(seed, n)

    found, K = growth(A), kreiss(A, rtol=1e-3)

    assert K.lower <= found.bound * (1 + 1e-12)
    assert found.peak <= math.e * n * K.upper


@pytest.mark.parametrize("margin", [1e-2, 1e-5, 1e-8])
def test_slow_dynamics_cost_no_more(margin: float) -> None:
    a = 1 - margin
    A = [[a, 0], [8 * margin, a]]

    found = growth(A)

    # ‖Nᵏ‖ = (√(4a²ᵏ + s²) + s)/2 with s = 8 k margin aᵏ⁻¹; in the limit s = 8 t e⁻ᵗ, t = k·margin
    def height(k: float) -> float:
        s, power = 8 * k * margin * math.exp((k - 1) * math.log1p(-margin)), k * math.log1p(-margin)
        return (math.sqrt(4 * math.exp(2 * power) + s**2) + s) / 2

    k = found.step
    assert_allclose(found.peak, height(k), rtol=1e-6 if margin < 1e-6 else 1e-9)
    assert height(k) >= max(height(k - 1), height(k + 1)) * (1 - 1e-12)
    assert found.bound <= found.peak * 1.02
    last = found.settling(1e-3)
    assert height(last) <= 1e-3 * (1 + 1e-5)
    assert height(last - 1) >= 1e-3 * (1 - 1e-5)


def test_a_plateau_after_a_fast_rise() -> None:
    found = growth([[1 - 1e-6, 0], [5, 0.5]])

    # s = c(aᵏ − bᵏ)/(a − b): the fast mode is gone, to rounding, long before the slow one decays
    assert 15 <= found.step <= 25
    assert_allclose(found.peak, math.hypot(1, 10), rtol=1e-3)
    assert found.bound <= found.peak * 1.02


def test_a_flat_direction_stays() -> None:
    found = growth([[1, 0], [5, 0.5]])

    assert_allclose([found.peak, found.bound], math.hypot(1, 10), rtol=1e-9)
    assert math.isinf(found.settling(0.1))


def test_a_rotation_stays_bounded() -> None:
    basis = np.random.default_rng(0).standard_normal((3, 3))
    turn = [[math.cos(0.7), -math.sin(0.7)], [math.sin(0.7), math.cos(0.7)]]
    A = basis @ np.asarray(scipy.linalg.block_diag(turn, 0.5)) @ np.linalg.inv(basis)

    found = growth(A)

    # it comes close to its supremum again and again, and never attains it
    assert_allclose(found.peak, norms_of_powers(A, 5000).max(), rtol=1e-3)
    assert found.peak <= found.bound < math.inf
    assert math.isinf(found.settling(0.1))


@pytest.mark.parametrize("A", [[[1.1]], [[1, 1], [0, 1]], [[0, 2], [2, 0]]])
def test_growth_without_bound_is_said(A: Any) -> None:
    found = growth(A)

    assert math.isinf(found.peak)
    assert math.isinf(found.settling(10.0))
    assert str(found) == "a perturbation grows without bound"
    assert np.isfinite(found.curve).all()
    # it grows along the direction
    grown = np.linalg.matrix_power(np.array(A, dtype=float), 100) @ found.direction
    assert np.linalg.norm(grown) >= 1 - 1e-12
    with pytest.raises(AttributeError, match="without bound"):
        _ = found.step


@SETTINGS
@given(seed=SEEDS, n=st.integers(1, 4))
def test_a_flow_equals_its_exponentials(seed: int, n: int) -> None:
    A = stable(seed, n) - np.eye(n)
    times = np.linspace(0, 60, 1201)
    norms = np.array([np.linalg.norm(scipy.linalg.expm(t * A), 2) for t in times])

    found = growth(A, time="continuous")

    assert norms.max() <= found.bound
    assert_allclose(found.peak, norms.max(), rtol=1e-2)
    assert norms.max() <= found.peak * (1 + 1e-9)
    assert_allclose(np.linalg.norm(scipy.linalg.expm(found.time * A), 2), found.peak, rtol=1e-9)
    if norms[-1] < 0.05:
        settled = found.settling(0.05)
        assert (norms[times > settled] <= 0.05).all()
        assert np.linalg.norm(scipy.linalg.expm(settled * A), 2) >= 0.05 * 0.99


def test_a_flow_that_only_decays_peaks_at_once() -> None:
    found = growth([[-1, 0.5], [0, -2]], time="continuous")

    assert found.time == 0
    assert found.peak == 1
    with pytest.raises(AttributeError, match="at `time`"):
        _ = found.step


def test_a_flat_direction_of_a_flow() -> None:
    found = growth([[0, 0], [5, -1]], time="continuous")

    assert_allclose(found.peak, math.sqrt(26), rtol=1e-9)
    assert found.bound < 2 * found.peak


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.99])
def test_heavy_ball_at_its_double_root(decay: float) -> None:
    """The first row of Aᵗ has the norm of arXiv 2103.08017, and is not all of it."""
    found = growth([[0, 1], [-(decay**2), 2 * decay]])

    t = found.times
    row = np.sqrt((t - 1) ** 2 * decay ** (2 * t) + t**2 * decay ** (2 * t - 2))
    assert (found.curve >= row * (1 - 1e-9)).all()
    assert (found.curve <= np.hypot(row, (t + 1) * decay**t + t * decay ** (t + 1)) * 1.001).all()


def test_says_what_it_is() -> None:
    assert str(growth([[0, 0], [4, 0]])) == "a perturbation grows at most 4 times, at step 1"
    assert "time" in str(growth([[-1, 10], [0, -2]], time="continuous"))


def test_refuses_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="square"):
        growth(np.ones((2, 3)))
    with pytest.raises(ValueError, match="finite"):
        growth([[math.nan]])
    with pytest.raises(ValueError, match="`eps`"):
        growth([[0.5]]).settling(0)
    with pytest.raises(ValueError, match="`eps`"):
        growth([[0.5]]).settling(math.nan)
