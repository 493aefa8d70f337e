"""Kreiss constants at the boundary of stability: flat directions, and what rounding leaves open."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from nonnormal import best_found, jordan, stable
from numpy.testing import assert_allclose

from passband.errors import UnconvergedWarning
from passband.transients import kreiss
from passband.transients.dense.curves import curves_of
from passband.transients.dense.level_sets import Peak
from passband.transients.dense.matrices import Time
from passband.transients.dense.precise import precise_maximum


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
    curves = curves_of(A, time, tolerance=1e-6)
    t = grid if time == "discrete" else 4 * grid
    truth = 1 / np.linalg.svd(curves.point(x, t)[:, None, None] * np.eye(6) - A)[1][:, -1]
    worst = Peak(0.0, 0.0, complex(curves.point(x, t[[truth.argmin()]])[0]))
    monkeypatch.setattr(curves, "maximum", lambda _: worst)

    found = precise_maximum(curves, 20)(x)

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
