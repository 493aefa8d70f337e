"""The bracket against closed forms, published values, other algorithms and its own laws."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.sparse
from hypothesis import given, settings, strategies as st
from numpy import ndarray
from numpy.testing import assert_allclose

from passband.errors import UnconvergedWarning
from passband.transients import Kreiss, kreiss, numerical_abscissa, numerical_radius
from passband.transients.dense.circles import Circles
from passband.transients.dense.level_sets import Peak
from passband.transients.dense.lines import Lines
from passband.transients.dense.matrices import Time, check_time
from passband.transients.dense.precise import precise_maximum

SETTINGS = settings(max_examples=8, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(2, 6)


def jordan(n: int, value: float) -> ndarray:
    return value * np.eye(n) + np.diag(np.ones(n - 1), -1)


def grcar(n: int) -> ndarray:
    return sum((np.diag(np.ones(n - k), k) for k in (0, 1, 2, 3)), -np.diag(np.ones(n - 1), -1))


def transient_demo(n: int) -> ndarray:
    cycle = np.roll(np.eye(n), 1, axis=1)
    return 0.4 * (np.diag(np.exp(2j * np.pi * np.arange(n) / n)) + cycle) - 0.5 * np.eye(n)


def stable(seed: int, n: int, *, real: bool = True, radius: float | None = None) -> ndarray:
    """A matrix that is far from normal, of spectral radius below one."""
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((n, n)) + (0 if real else 1j) * rng.standard_normal((n, n))
    values = rng.uniform(0.2, 1, n)
    triangle = np.triu(matrix * rng.uniform(0, 2), 1) + np.diag(values / values.max())
    basis = np.linalg.qr(matrix)[0]
    size = rng.uniform(0.3, 0.98) if radius is None else radius
    return size * basis @ triangle @ basis.conj().T


def kreiss_function(A: ndarray, z: complex, *, flow: bool = False) -> float:
    distance = z.real if flow else abs(z) - 1
    return float(distance / np.linalg.svd(z * np.eye(len(A)) - A, compute_uv=False)[-1])


def best_found(A: ndarray, *, flow: bool = False) -> float:
    """The Kreiss function climbed by a general optimizer from many points: a lower bound."""

    def height(point: ndarray) -> float:
        x, t = math.exp(point[0]), point[1]
        z = complex(x, t) if flow else (1 + x) * complex(math.cos(t), math.sin(t))
        return -kreiss_function(A, z, flow=flow)

    angles = np.angle(np.linalg.eigvals(A)) if not flow else np.imag(np.linalg.eigvals(A))
    starts = [(x, t) for x in (-6.0, -3.0, -1.0, 1.0) for t in [*angles, 0.0]]
    climbs = [scipy.optimize.minimize(height, start, method="BFGS") for start in starts]
    return max(1.0, *(-climb.fun for climb in climbs))


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


@pytest.mark.parametrize("A", [[[2]], [[1.0, 0], [0, 1.0001]], [[0, 2], [2, 0]], [[1, 1], [0, 1]]])
def test_unstable_matrices_say_so(A: Any) -> None:
    found = kreiss(A)

    assert math.isinf(found.lower)
    assert "unstable" in found.note
    assert "unstable" in str(found)


def test_an_unstable_flow_says_so() -> None:
    assert "imaginary axis" in kreiss([[1e-3, 5], [0, -1]], time="continuous").note


@pytest.mark.parametrize("c", [0.5, 5.0, 100.0])
@pytest.mark.parametrize("rotation", [1.0, -1.0, 1j])
def test_a_flat_direction_costs_the_norm_of_its_projector(c: float, rotation: complex) -> None:
    A = rotation * np.array([[1.0, 0.0], [c, 0.5]])

    found = kreiss(A)

    # R = Π/(z − 1) + …, and with one mode left nothing exceeds the limit
    assert_allclose([found.lower, found.upper], math.hypot(1, 2 * c), rtol=1e-6)
    assert "marginal" in found.note


@pytest.mark.parametrize(
    "blocks",
    [[1, 1, 0.5, -0.3], [1, -1, 0.5, -0.3], [[[0, -1], [1, 0]], 0.2, 0.5]],
    ids=["double", "two", "pair"],
)
def test_several_flat_directions(blocks: list[Any]) -> None:
    basis = np.random.default_rng(0).standard_normal((4, 4))
    A = basis @ np.asarray(scipy.linalg.block_diag(*blocks)) @ np.linalg.inv(basis)

    found = kreiss(A, rtol=1e-4)

    assert "marginal" in found.note
    assert found.upper <= found.lower * (1 + 1e-4)
    # a little smaller there are no poles, and K does not grow
    assert best_found((1 - 1e-9) * A) <= found.upper
    assert found.lower <= kreiss((1 - 1e-7) * A, rtol=1e-3).upper * (1 + 1e-3)


def test_a_flat_direction_of_a_flow() -> None:
    found = kreiss([[0, 0], [5, -1]], time="continuous")

    assert_allclose([found.lower, found.upper], math.sqrt(26), rtol=1e-6)


@pytest.mark.parametrize("margin", [1e-2, 1e-4, 1e-5])
@pytest.mark.parametrize("flat", [[1.0], [1.0, -1.0]], ids=["one", "two"])
@pytest.mark.parametrize("flow", [False, True])
def test_a_slow_transient_beside_a_flat_direction(
    margin: float, flat: list[float], flow: bool
) -> None:
    """``c / 4m + m / c`` of the slow block: the larger, however near the limits of the others."""
    slow = np.array([[1 - margin, 0.0], [12 * margin, 1 - margin]])
    if flow:
        flat, slow = [0.0 for _ in flat], slow - np.eye(2)
    A = np.asarray(scipy.linalg.block_diag(*flat, slow))
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal(A.shape))[0]

    found = kreiss(basis @ A @ basis.T, time="continuous" if flow else "discrete", rtol=1e-3)

    constant = 3 + 1 / 12
    assert "marginal" in found.note
    assert found.lower * (1 - 1e-9) <= constant <= found.upper * (1 + 1e-9)
    assert found.upper <= found.lower * (1 + 1.1e-3)


def test_eigenvalues_that_rounding_throws_outside_prove_nothing() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    A = basis @ jordan(40, 0.9) @ basis.T  # stable, but its computed eigenvalues are not
    assert np.abs(np.linalg.eigvals(A)).max() > 1.01

    with pytest.warns(UnconvergedWarning):
        found = kreiss(A)

    assert 1e6 < found.lower < math.inf
    assert math.isinf(found.upper)


def test_what_float64_cannot_decide_is_left_open() -> None:
    basis = np.random.default_rng(0).standard_normal((3, 3))
    A = basis @ np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0.5]]) @ np.linalg.inv(basis)

    with pytest.warns(UnconvergedWarning, match="wider"):
        found = kreiss(A)

    assert found.lower > 1e5
    assert math.isinf(found.upper)
    assert "cannot tell" in found.note


@pytest.mark.parametrize("time", ["discrete", "continuous"])
@pytest.mark.parametrize("real", [True, False])
def test_more_digits_do_not_need_a_good_start(
    time: Time, real: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At six entries more digits look at float64's answer alone; crossings must lead away."""
    A = stable(4, 6, real=real) - (0 if time == "discrete" else np.eye(6))
    x, grid = 0.1, np.linspace(-np.pi, np.pi, 20001)
    curves = (Circles if time == "discrete" else Lines)(A, tolerance=1e-6)
    t = grid if time == "discrete" else 4 * grid
    truth = 1 / np.linalg.svd(curves.point(x, t)[:, None, None] * np.eye(6) - A)[1][:, -1]
    worst = Peak(0.0, 0.0, complex(curves.point(x, t[[truth.argmin()]])[0]))
    monkeypatch.setattr(curves, "maximum", lambda _: worst)

    found = precise_maximum(curves, time, 20)(x)

    assert truth.max() <= found.upper
    assert_allclose(found.lower, truth.max(), rtol=1e-5)


def test_more_digits_where_float64_has_too_few() -> None:
    margin = 2.0**-27  # so that 1 − margin is exact
    A = [[1 - margin, 0], [1, 1 - margin]]
    exact = 1 / (4 * margin) + margin

    with pytest.warns(UnconvergedWarning):
        rough = kreiss(A)
    fine = kreiss(A, digits=30, rtol=1e-3)

    assert not rough.reliable
    assert "digits" in str(rough)
    assert rough.lower <= exact <= rough.upper
    assert fine.reliable
    assert fine.lower <= exact <= fine.upper <= fine.lower * (1 + 1e-3)


def test_high_precision_agrees_for_a_flow() -> None:
    A = [[-1, 10], [0, -2]]

    coarse = kreiss(A, time="continuous", rtol=1e-3)
    fine = kreiss(A, time="continuous", rtol=1e-3, digits=20)

    assert_allclose([fine.lower, fine.upper], [coarse.lower, coarse.upper], rtol=1e-6)


@pytest.mark.parametrize(
    ("A", "error", "message"),
    [
        (np.ones((2, 3)), ValueError, "square"),
        ([[1, 2], [3]], ValueError, "matrix"),
        ([1.0, 2.0], ValueError, "at least one row"),
        (np.zeros((0, 0)), ValueError, "at least one row"),
        ([[math.nan, 0], [0, 0]], ValueError, "finite"),
        ([[math.inf, 0], [0, 0]], ValueError, "finite"),
        ([["a", "b"], ["c", "d"]], TypeError, "numbers"),
        (None, TypeError, "numbers"),
    ],
    ids=repr,
)
def test_refuses_what_is_no_square_matrix(A: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        kreiss(A)


def test_refuses_wrong_options() -> None:
    with pytest.raises(ValueError, match="`rtol`"):
        kreiss([[0.5]], rtol=math.nan)
    with pytest.raises(ValueError, match="`time`"):
        check_time("sometimes")  # the type checker of these tests would refuse it earlier
    with pytest.raises(ValueError, match="`digits`"):
        kreiss([[0.5]], digits=0)


def test_integers_lists_and_tensors_are_welcome() -> None:
    torch = pytest.importorskip("torch")
    expected = kreiss([[0.0, 0.0], [4.0, 0.0]])

    assert kreiss([[0, 0], [4, 0]]) == expected
    assert kreiss(np.array([[0, 0], [4, 0]], dtype=np.int8)) == expected
    assert kreiss(torch.tensor([[0, 0], [4, 0]], dtype=torch.bfloat16)) == expected
    assert kreiss(np.array([[0, 0], [4, 0]], dtype=np.complex64)) == expected
    assert kreiss(scipy.sparse.csr_array([[0, 0], [4, 0]])) == expected


def test_an_operator_instead_of_a_matrix_is_told_to_be_written_out() -> None:
    class Operator:
        def dense(self) -> None: ...

    with pytest.raises(TypeError, match=r"Write it out: `A\.dense\(\)`"):
        kreiss(Operator())
