"""The bracket against closed forms, published values, other algorithms and its own laws."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings, strategies as st
from nonnormal import best_found, jordan, kreiss_function, stable
from numpy import ndarray
from numpy.testing import assert_allclose

from passband.transients import Kreiss, kreiss, numerical_abscissa, numerical_radius

SETTINGS = settings(max_examples=8, deadline=None)


SEEDS = st.integers(0, 2**32 - 1)


SIZES = st.integers(2, 6)


def grcar(n: int) -> ndarray:
    return sum((np.diag(np.ones(n - k), k) for k in (0, 1, 2, 3)), -np.diag(np.ones(n - 1), -1))


def transient_demo(n: int) -> ndarray:
    cycle = np.roll(np.eye(n), 1, axis=1)
    return 0.4 * (np.diag(np.exp(2j * np.pi * np.arange(n) / n)) + cycle) - 0.5 * np.eye(n)


@pytest.mark.parametrize(
    ("A", "constant", "modulus"),
    [
        ([[0.5, 0], [4, 0.5]], 17 / 8, 47 / 30),
        ([[3 / 4, 0], [28 / 27, 8 / 9]], 5 / 3, 29 / 24),
        (jordan(8, 0.5), 9.413237322840614, 1.0836095),
        (2 * jordan(6, 0), 3.403235247201, 1.26205),
        (transient_demo(32), 40.138561418, 1.0307031),
    ],
    ids=["2x2", "rational", "Jordan", "shift", "transient demo"],
)
def test_reference_values_of_iterations(A: Any, constant: float, modulus: float) -> None:
    found = kreiss(A)

    assert found.lower <= constant * (1 + 1e-11)  # digits of the reference
    assert constant * (1 - 1e-11) <= found.upper <= found.lower * (1 + 1e-6)
    # K is stationary at z*: where the value is right to 1e-6, the place is to its root
    assert found.z is not None
    assert_allclose(abs(found.z), modulus, rtol=2e-3 * (modulus - 1) + 1e-6)


@pytest.mark.parametrize(
    ("A", "constant", "z"),
    [
        (transient_demo(32), 40.138561418, 0.0307031),
        (-grcar(32), 138.913724262430, 0.0454264 + 2.1749797j),
    ],
    ids=["transient demo", "Grcar"],
)
def test_reference_values_of_flows(A: ndarray, constant: float, z: complex) -> None:
    found = kreiss(A, time="continuous")

    assert found.lower <= constant * (1 + 1e-10)
    assert constant * (1 - 1e-10) <= found.upper <= found.lower * (1 + 1e-6)
    assert found.z is not None
    assert_allclose([found.z.real, abs(found.z.imag)], [z.real, z.imag], rtol=3e-3, atol=1e-9)


def test_more_digits_of_the_same_constant() -> None:
    found = kreiss(jordan(8, 0.5), rtol=1e-11)

    assert found.lower <= 9.413237322840614 <= found.upper <= found.lower * (1 + 1e-11)


def test_a_hundred_modes() -> None:
    rng = np.random.default_rng(0)
    matrix = scipy.linalg.circulant(rng.standard_normal(100)) + rng.standard_normal((100, 100))
    A = 0.99 * matrix / np.abs(np.linalg.eigvals(matrix)).max()

    found = kreiss(A, rtol=1e-4)

    assert found.upper <= found.lower * (1 + 1e-4)
    assert found.z is not None
    assert_allclose(kreiss_function(A, found.z), found.lower, rtol=1e-10)


@SETTINGS
@given(seed=SEEDS, n=SIZES, real=st.booleans())
def test_the_bracket_holds_what_an_optimizer_finds(seed: int, n: int, real: bool) -> None:
    A = stable(seed, n, real=real)

    found = kreiss(A, rtol=1e-4)

    # the optimizer only finds local maxima: sometimes all of them, never more
    assert best_found(A) <= found.upper * (1 + 1e-12)
    assert found.lower <= found.upper <= found.lower * (1 + 1e-4)
    if found.z is not None:
        assert_allclose(kreiss_function(A, found.z), found.lower, rtol=1e-9)


@settings(max_examples=5, deadline=None)
@given(seed=SEEDS, n=SIZES, real=st.booleans())
def test_the_bracket_of_a_flow_holds_what_an_optimizer_finds(seed: int, n: int, real: bool) -> None:
    A = stable(seed, n, real=real) - np.eye(n)

    found = kreiss(A, time="continuous", rtol=1e-4)

    assert best_found(A, flow=True) <= found.upper * (1 + 1e-12)
    assert found.lower <= found.upper <= found.lower * (1 + 1e-4)


@pytest.mark.parametrize("flow", [False, True])
def test_a_narrow_peak_away_from_the_outermost_eigenvalues_is_found(flow: bool) -> None:
    """Only the crossings of a level know of it: no sample and no outer eigenvalue is near."""
    hidden = np.exp(0.2j) * np.array([[0.97, 0.0], [1.0, 0.97]])
    others = 0.99 * np.exp(1j * np.linspace(1, 5, 16))
    if flow:
        hidden = np.array([[-0.03, 0.0], [1.0, -0.03]]) + 0.217j * np.eye(2)
        others = -0.01 + 1j * np.linspace(0.8, 3, 16)
    A = np.asarray(scipy.linalg.block_diag(hidden, np.diag(others)))

    found = kreiss(A, time="continuous" if flow else "discrete")

    exact = 1 / (4 * 0.03) + 0.03
    assert found.lower <= exact * (1 + 1e-9)
    assert exact <= found.upper * (1 + 1e-9)


@SETTINGS
@given(seed=SEEDS, n=SIZES)
def test_no_ray_exceeds_the_bracket(seed: int, n: int) -> None:
    """Along a ray, the points at level 1/γ are eigenvalues of a pencil (Mitchell 2020)."""
    A = stable(seed, n)
    found = kreiss(A, rtol=1e-4)
    gamma, identity = 1 / (found.upper * (1 + 1e-7)), np.eye(n)
    left = np.block([[gamma * identity, -A], [-A.conj().T, gamma * identity]])

    for angle in np.linspace(0, np.pi, 60):
        w = np.exp(1j * angle)
        right = np.block(
            [[-gamma * identity, w * identity], [w.conj() * identity, -gamma * identity]]
        )
        r = np.asarray(scipy.linalg.eigvals(left, -right), dtype=np.complex128)
        hits = np.real(r[(np.abs(np.imag(r)) <= 1e-9) & (np.real(r) > 1 + 1e-9)])
        assert all(kreiss_function(A, z * w) < found.upper for z in hits)


@settings(max_examples=4, deadline=None)
@given(seed=SEEDS, n=st.integers(2, 4))
def test_laws(seed: int, n: int) -> None:
    def bracket(matrix: ndarray) -> Kreiss:
        return kreiss(matrix, rtol=1e-4)

    rng = np.random.default_rng(seed)
    A, B = stable(seed, n, real=False), stable(seed + 1, 2)
    unitary = np.linalg.qr(rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n)))[0]
    basis = rng.standard_normal((n, n))
    K = bracket(A)

    def assert_same(other: ndarray) -> None:
        value = bracket(other)
        assert value.lower <= K.upper * (1 + 1e-9)
        assert K.lower <= value.upper * (1 + 1e-9)

    assert_same(unitary @ A @ unitary.conj().T)
    assert_same(A.conj().T)
    assert_same(np.exp(0.7j) * A)
    assert_same(np.kron(A, np.eye(2)))
    assert bracket(0.9 * A).lower <= K.upper
    assert (
        bracket(A).lower <= np.linalg.cond(basis) * bracket(np.linalg.solve(basis, A @ basis)).upper
    )
    sides, both = (K, bracket(B)), bracket(np.asarray(scipy.linalg.block_diag(A, B)))
    assert both.lower <= max(side.upper for side in sides)
    assert max(side.lower for side in sides) <= both.upper


@SETTINGS
@given(seed=SEEDS, n=SIZES)
def test_kreiss_matrix_theorem(seed: int, n: int) -> None:
    A = stable(seed, n, radius=0.95)
    powers = [np.linalg.norm(np.linalg.matrix_power(A, k), 2) for k in range(200)]

    found = kreiss(A)

    assert found.lower <= max(powers) * (1 + 1e-12)
    assert max(powers) <= math.e * n * found.upper


@SETTINGS
@given(seed=SEEDS, n=SIZES)
def test_one_exactly_when_the_numerical_radius_is_at_most_one(seed: int, n: int) -> None:
    matrix = stable(seed, n)
    touching = matrix / numerical_radius(matrix)

    assert kreiss(0.999 * touching).upper == 1
    assert kreiss(touching).upper == 1
    if np.abs(np.linalg.eigvals(touching)).max() < 0.9:
        assert kreiss(1.05 * touching, rtol=1e-4).lower > 1


def test_a_flow_has_no_transient_when_its_abscissa_is_not_positive() -> None:
    A = np.array([[-1.0, 10.0], [0.0, -2.0]])
    inside = A - numerical_abscissa(A) * np.eye(2)

    assert kreiss(inside, time="continuous").upper == 1
    assert kreiss(inside + np.eye(2), time="continuous").lower > 1


def test_the_unit_of_time_does_not_matter_to_a_flow() -> None:
    A = np.array([[-1.0, 10.0], [0.0, -2.0]])
    found = kreiss(A, time="continuous")
    assert found.z is not None

    for unit in (1e-150, 1e-3, 1e150):
        scaled = kreiss(unit * A, time="continuous")
        assert scaled.z is not None
        assert_allclose(
            [scaled.lower, scaled.upper, scaled.z / unit],
            [found.lower, found.upper, found.z],
            rtol=1e-9,
        )


def test_log_maximum_is_convex_and_decreasing() -> None:
    A, s = stable(5, 5), np.linspace(0.01, 1, 20)
    grid = np.exp(1j * np.linspace(0, 2 * np.pi, 1000))
    shifted = (np.exp(s)[:, None] * grid)[..., None, None] * np.eye(5) - A

    log_maximum = -np.log(np.linalg.svd(shifted, compute_uv=False)[..., -1].min(axis=1))

    assert (np.diff(log_maximum) < 0).all()
    assert (np.diff(log_maximum, 2) > -1e-5).all()  # the angles are a grid


def test_nonnegative_matrices_are_ordered() -> None:
    small = np.array([[0.5, 0.1, 0.0], [0.2, 0.4, 0.3], [1.0, 0.0, 0.6]])

    assert kreiss(small).lower <= kreiss(small + 0.02).upper
    assert kreiss(small).upper < kreiss(small + 0.02).lower


@pytest.mark.parametrize(
    "A", [[[0.3]], [[1.0]], [[-1.0]], [[1j]], np.zeros((3, 3)), np.eye(4), [[0, 1], [1, 0]]]
)
def test_normal_matrices_have_no_transient(A: Any) -> None:
    found = kreiss(A)

    assert found.lower == found.upper == 1
    assert "no power is larger than 2" in str(found)
    flow = kreiss(np.asarray(A) - np.eye(len(A)), time="continuous")
    assert flow.note.startswith("no transient")


def test_a_constant_of_one_is_not_the_absence_of_growth() -> None:
    A = np.array([[0.5, 0.999], [0.0, 0.5]])  # numerical radius .9995, norm 1.206

    assert kreiss(A).upper == 1
    assert 1.2 < np.linalg.norm(A, 2) < 2
    assert "no transient" not in str(kreiss(A))
