"""Departure from normality and eigenvalue condition numbers."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose

from passband.transients import departure_from_normality, eigenvalue_conditions


@pytest.mark.parametrize(
    ("A", "departure"),
    [
        ([[0.5, 0], [4, 0.5]], 4),
        (0.5 * np.eye(8) + np.diag(np.ones(7), -1), math.sqrt(7)),
        ([[0, 1], [-1, 0]], 0),
        ([[3]], 0),
    ],
)
def test_reference_departures(A: Any, departure: float) -> None:
    assert_allclose(departure_from_normality(A), departure, atol=1e-14)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 6))
def test_departure_is_what_the_eigenvalues_leave_of_the_norm(seed: int, n: int) -> None:
    A = np.random.default_rng(seed).standard_normal((n, n))
    left = np.linalg.norm(A) ** 2 - (np.abs(np.linalg.eigvals(A)) ** 2).sum()

    assert_allclose(
        departure_from_normality(A) ** 2, left, atol=1e-12 * float(np.linalg.norm(A)) ** 2
    )


def test_conditions_predict_how_far_eigenvalues_move() -> None:
    A, eps = np.array([[1.0, 50.0], [0.0, 0.5]]), 1e-7
    found = eigenvalue_conditions(A)
    values, right = np.linalg.eig(A)
    left = np.linalg.inv(right).conj().T

    assert_allclose(found.values, [1.0, 0.5])
    for value, condition, x, y in zip(values, found.conditions, right.T, left.T, strict=True):
        E = np.outer(y / np.linalg.norm(y), x.conj())  # the worst perturbation
        moved = np.abs(np.linalg.eigvals(A + eps * E) - value).min()
        assert_allclose(moved, condition * eps, rtol=1e-3)


def test_conditions_of_normal_and_of_defective_matrices() -> None:
    assert_allclose(eigenvalue_conditions([[0, 1], [-1, 0]]).conditions, 1)
    assert np.isinf(eigenvalue_conditions([[1, 1], [0, 1]]).conditions).all()
    assert_allclose(eigenvalue_conditions([[5]]).conditions, 1)


def test_the_most_sensitive_eigenvalues_are_printed_first() -> None:
    A = np.diag(np.linspace(0.1, 0.9, 9)) + np.diag([9.0] + 7 * [0.0], 1)

    lines = str(eigenvalue_conditions(A)).splitlines()

    assert [line.split()[-1] for line in lines[:4]] == ["condition", "90.01", "90.01", "1"]
    assert {line.split()[0] for line in lines[1:3]} == {"0.1+0j", "0.2+0j"}
    assert lines[-1] == "  and 1 less sensitive"
