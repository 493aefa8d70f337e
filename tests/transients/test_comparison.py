"""Theorem 1: a small nonnegative matrix dominates every system with its radii and norms."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy import ndarray
from numpy.testing import assert_allclose

from passband.transients import (
    Blocks,
    Comparison,
    growth,
    kreiss,
    numerical_radius,
    pseudospectral_radius,
)

SETTINGS = settings(max_examples=10, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


def normal(rng: np.random.Generator, n: int, radius: float) -> ndarray:
    Q = np.linalg.qr(rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n)))[0]
    values = rng.standard_normal(n) + 1j * rng.standard_normal(n)
    return Q @ np.diag(radius * values / np.abs(values).max()) @ Q.conj().T


def member(rng: np.random.Generator, N: ndarray, sizes: list[int]) -> ndarray:
    """A random system of the class of N."""
    rows = []
    for i, n in enumerate(sizes):
        row = []
        for j, m in enumerate(sizes):
            block = rng.standard_normal((n, m)) + 1j * rng.standard_normal((n, m))
            coupling = N[i, j] * block / np.linalg.norm(block, 2)
            row.append(normal(rng, n, N[i, i]) if i == j else coupling)
        rows.append(row)
    return np.block(rows)


def comparison_matrix(rng: np.random.Generator, m: int) -> ndarray:
    N = rng.uniform(0, 1, (m, m)) * np.exp(rng.uniform(-2, 1, (m, m)))
    return N * rng.uniform(0.5, 0.95) / np.abs(np.linalg.eigvals(N)).max()


@SETTINGS
@given(seed=SEEDS, m=st.integers(2, 4))
def test_dominates_every_member(seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    N = comparison_matrix(rng, m)
    bound = Comparison(N)

    J = member(rng, N, [int(n) for n in rng.integers(1, 4, m)])

    assert np.abs(np.linalg.eigvals(J)).max() <= bound.radius * (1 + 1e-12)
    assert kreiss(J, rtol=1e-4).lower <= bound.kreiss
    assert pseudospectral_radius(J, 0.1) <= bound.pseudospectral_radius(0.1) * (1 + 1e-9)
    for k in range(1, 30):
        power, limit = np.linalg.matrix_power(J, k), np.linalg.matrix_power(N, k)
        assert np.linalg.norm(power, 2) <= np.linalg.norm(limit, 2) * (1 + 1e-12)


@SETTINGS
@given(seed=SEEDS, m=st.integers(2, 3))
def test_dominates_products_that_change_every_step(seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    N = comparison_matrix(rng, m)
    sizes = [int(n) for n in rng.integers(1, 4, m)]
    product, limit, peak = np.eye(sum(sizes)), np.eye(m), Comparison(N).peak

    for _ in range(20):
        product, limit = member(rng, N, sizes) @ product, N @ limit
        assert np.linalg.norm(product, 2) <= np.linalg.norm(limit, 2) * (1 + 1e-12)
        assert np.linalg.norm(product, 2) <= peak * (1 + 1e-9)


@SETTINGS
@given(seed=SEEDS)
def test_two_blocks_are_never_worse_than_the_closed_form(seed: int) -> None:
    rng = np.random.default_rng(seed)
    N = comparison_matrix(rng, 2)
    blocks = Blocks(a=N[0, 0], b=N[1, 1], c=N[1, 0], e=N[0, 1])

    J = member(rng, N, [3, 2])

    assert kreiss(J, rtol=1e-3).lower <= blocks.kreiss * (1 + 1e-9)
    assert growth(J).peak <= blocks.peak * (1 + 1e-9)
    assert growth(J).settling(1e-3) <= blocks.steps(1e-3)


@SETTINGS
@given(seed=SEEDS)
def test_the_worst_member_attains_the_closed_form(seed: int) -> None:
    """C = c y xᵀ with the top eigenvectors of symmetric blocks."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0, 0.95, 2)
    c = 10 ** rng.uniform(-1, 2)
    Q, R = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (3, 4))
    A = Q @ np.diag([a, 0.5 * a, -0.2 * a]) @ Q.T
    B = R @ np.diag([b, 0.3 * b, 0.0, -b]) @ R.T
    J = np.block([[A, np.zeros((3, 4))], [c * np.outer(R[:, 0], Q[:, 0]), B]])
    found = Blocks(a=a, b=b, c=c)

    assert_allclose(growth(J).peak, found.peak, rtol=1e-9)
    if found.kreiss > 1:
        z = found.maximizer
        sigma = np.linalg.svd(z * np.eye(7) - J, compute_uv=False)[-1]
        assert_allclose((z - 1) / sigma, found.kreiss, rtol=1e-9)


@SETTINGS
@given(seed=SEEDS)
def test_blocks_that_are_not_normal_count_by_numerical_radius_or_norm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    J = rng.standard_normal((6, 6)) * 0.3

    resolvents = Comparison.of(J, sizes=[2, 3, 1])
    powers = Comparison.of(J, sizes=[2, 3, 1], bound="powers")

    blocks = J[:2, :2], J[2:5, 2:5], J[5:, 5:]
    assert_allclose(np.diag(powers.matrix), [np.linalg.norm(block, 2) for block in blocks])
    assert_allclose(np.diag(resolvents.matrix), [numerical_radius(block) for block in blocks])
    assert np.abs(np.linalg.eigvals(J)).max() <= resolvents.radius * (1 + 1e-12)
    assert (np.diag(resolvents.matrix) <= np.diag(powers.matrix) * (1 + 1e-12)).all()
    if resolvents.stable:
        assert kreiss(J, rtol=1e-3).lower <= resolvents.kreiss
    for k in range(1, 10):
        power = np.linalg.norm(np.linalg.matrix_power(J, k), 2)
        assert power <= np.linalg.norm(np.linalg.matrix_power(powers.matrix, k), 2) * (1 + 1e-12)


def test_two_blocks_agree_with_the_closed_form() -> None:
    found, exact = Comparison([[0.5, 0.01], [4.0, 0.7]]), Blocks(a=0.5, b=0.7, c=4.0, e=0.01)

    assert_allclose(found.kreiss, exact.kreiss, rtol=1e-6)
    assert_allclose(found.peak, exact.peak, rtol=1e-8)
    assert found.steps(1e-3) == exact.steps(1e-3)
    assert_allclose(found.radius, exact.radius)
    assert "2 coupled blocks" in str(found)


def test_unstable_classes_say_so() -> None:
    found = Comparison([[0.5, 1.0], [4.0, 0.5]])

    assert not found.stable
    assert math.isinf(found.kreiss)
    assert math.isinf(found.peak)
    assert math.isinf(found.steps())
    assert "unstable" in str(found)


def test_refuses_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="real and nonnegative"):
        Comparison([[0.5, -1], [0, 0]])
    with pytest.raises(ValueError, match="real and nonnegative"):
        Comparison([[0.5j]])
    with pytest.raises(ValueError, match="add up to 3"):
        Comparison.of(np.eye(3), sizes=[1, 1])
    other: Any = "norms"
    with pytest.raises(ValueError, match='`bound` must be "kreiss" or "powers"'):
        Comparison.of(np.eye(2), sizes=[1, 1], bound=other)
