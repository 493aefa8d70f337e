"""The numerical range: closed forms, published values, and vectors drawn at random."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose

from passband.transients import numerical_abscissa, numerical_radius, numerical_range

SETTINGS = settings(max_examples=20, deadline=None)

GALLERY5 = [
    [-9, 11, -21, 63, -252],
    [70, -69, 141, -421, 1684],
    [-575, 575, -1149, 3451, -13801],
    [3891, -3891, 7782, -23345, 93365],
    [1024, -1024, 2048, -6144, 24572],
]


@pytest.mark.parametrize(
    ("A", "radius"),
    [
        ([[0.5, 0], [4, 0.5]], 5 / 2),
        ([[3 / 4, 0], [28 / 27, 8 / 9]], 145 / 108),
        (0.5 * np.eye(8) + np.diag(np.ones(7), -1), 0.5 + math.cos(math.pi / 9)),
        (2 * np.diag(np.ones(5), -1), 2 * math.cos(math.pi / 7)),
        (GALLERY5, 50519.679584),
        ([[0, 0], [0, 0]], 0),
        ([[-3]], 3),
        ([[0, 1], [-1, 0]], 1),
    ],
)
def test_reference_radii(A: Any, radius: float) -> None:
    assert_allclose(numerical_radius(A), radius, rtol=1e-11)  # the digits of the reference


@pytest.mark.parametrize("n", [2, 3, 10, 50])
@pytest.mark.parametrize("turn", [1, 1j, np.exp(2j)])
def test_radius_of_the_shift(n: int, turn: complex) -> None:
    shift = turn * np.diag(np.ones(n - 1), 1)

    assert_allclose(numerical_radius(shift), math.cos(math.pi / (n + 1)), rtol=1e-13)


@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize("places", [7.5, 2.51, 12.49])
def test_a_corner_between_the_angles_first_looked_at_is_found(places: float, real: bool) -> None:
    """Of a normal matrix the range is the hull of the eigenvalues; its corners are narrow."""
    grid = np.pi / 16
    corners = np.array([np.exp(5j * grid), 1.004 * np.exp(1j * places * grid), 0.3])
    turns = [np.array([[z.real, -z.imag], [z.imag, z.real]]) for z in corners]
    A = np.asarray(scipy.linalg.block_diag(*turns) if real else np.diag(corners))
    Q = np.linalg.qr(np.random.default_rng(1).standard_normal((len(A), len(A))))[0]

    assert_allclose(numerical_radius(Q @ A @ Q.T), 1.004, rtol=1e-11)


@SETTINGS
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 6), real=st.booleans())
def test_no_vector_leaves_the_range(seed: int, n: int, real: bool) -> None:
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n)) + (0 if real else 1j) * rng.standard_normal((n, n))
    x = rng.standard_normal((200, n)) + 1j * rng.standard_normal((200, n))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    values = np.einsum("ki,ij,kj->k", x.conj(), A, x)

    radius, abscissa, boundary = numerical_radius(A), numerical_abscissa(A), numerical_range(A)

    assert np.abs(values).max() <= radius * (1 + 1e-12)
    assert np.real(values).max() <= abscissa + 1e-12 * radius
    # the polygon of boundary points is inside, at most 1/cos(π/128) from touching
    assert radius * math.cos(math.pi / 128) <= np.abs(boundary).max() <= radius * (1 + 1e-12)
    assert_allclose(np.real(boundary).max(), abscissa, rtol=1e-9, atol=1e-12)


def test_boundary_is_counterclockwise() -> None:
    boundary = numerical_range([[0, 2], [0, 0]], angles=8)

    assert_allclose(boundary, np.exp(2j * np.pi * np.arange(8) / 8), atol=1e-12)


def test_refuses_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="`angles` must be at least 3"):
        numerical_range([[1]], angles=2)
    with pytest.raises(ValueError, match="square"):
        numerical_radius(np.ones((2, 3)))
    with pytest.raises(ValueError, match="finite"):
        numerical_abscissa([[math.nan]])
