"""Bounds for one coupled system: from its blocks, with feedback, and from known spectra."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy import ndarray
from numpy.testing import assert_allclose

from passband.transients import (
    Blocks,
    critical_feedback,
    feedback_bound,
    instance_bounds,
    kreiss,
    kreiss_of_spectra,
)

SETTINGS = settings(max_examples=10, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


def system(seed: int, *, normal: bool) -> tuple[ndarray, ndarray, ndarray]:
    rng = np.random.default_rng(seed)

    def block(n: int) -> ndarray:
        draw = rng.standard_normal((n, n))
        A = draw + draw.T if normal else 2 * np.triu(draw)
        return A * rng.uniform(0.3, 0.97) / np.abs(np.linalg.eigvals(A)).max()

    n, m = (int(k) for k in rng.integers(1, 5, 2))
    return block(n), block(m), rng.standard_normal((m, n)) * 10 ** rng.uniform(-1, 1)


def joined(A: ndarray, B: ndarray, C: ndarray, E: ndarray | None = None) -> ndarray:
    return np.block([[A, np.zeros((len(A), len(B))) if E is None else E], [C, B]])


@SETTINGS
@given(seed=SEEDS, normal=st.booleans())
def test_bounds_from_the_blocks_hold(seed: int, normal: bool) -> None:
    A, B, C = system(seed, normal=normal)

    bounds = instance_bounds(A, B, C)

    K = kreiss(joined(A, B, C), rtol=1e-4)
    assert bounds.lower <= K.upper
    assert K.lower <= bounds.upper * (1 + 1e-9)
    if normal:
        radii = (np.abs(np.linalg.eigvals(block)).max() for block in (A, B))
        closed = Blocks(a=next(radii), b=next(radii), c=float(np.linalg.norm(C, 2)))
        assert_allclose(bounds.upper, closed.kreiss, rtol=1e-9)


def test_bounds_of_unstable_blocks_are_infinite() -> None:
    assert math.isinf(instance_bounds([[1.0]], [[0.5]], [[1.0]]).upper)


def test_bounds_of_scalars_are_exact() -> None:
    bounds = instance_bounds([[0.75]], [[8 / 9]], [[28 / 27]])

    assert_allclose([bounds.lower, bounds.upper], 5 / 3, rtol=1e-3)
    assert bounds.lower <= 5 / 3 * (1 + 1e-12)


@SETTINGS
@given(seed=SEEDS, normal=st.booleans())
def test_critical_feedback_puts_an_eigenvalue_on_the_circle(seed: int, normal: bool) -> None:
    A, B, C = system(seed, normal=normal)

    found = critical_feedback(A, B, C)

    assert_allclose(np.linalg.norm(found.feedback, 2), found.norm, rtol=1e-9)
    values = np.linalg.eigvals(joined(A, B, C, found.feedback))
    assert_allclose(abs(found.z), 1, rtol=1e-12)
    assert np.abs(values - found.z).min() < 1e-5  # it may be a multiple eigenvalue
    rng = np.random.default_rng(seed)
    for _ in range(20):  # and none of smaller norm does
        draw = np.array([1, 1j]) @ rng.standard_normal((2, found.feedback.size))
        E = draw.reshape(found.feedback.shape)
        J = joined(A, B, C, 0.999 * found.norm * E / np.linalg.norm(E, 2))
        assert np.abs(np.linalg.eigvals(J)).max() < 1
    # the class allows no more
    radii = [float(np.linalg.norm(block, 2)) for block in (A, B)]
    if max(radii) < 1:
        worst = Blocks(a=radii[0], b=radii[1], c=float(np.linalg.norm(C, 2)))
        assert worst.critical_feedback <= found.norm * (1 + 1e-9)


def test_critical_feedback_at_its_limits() -> None:
    assert critical_feedback([[1.0]], [[0.5]], [[1.0]]).norm == 0
    assert math.isinf(critical_feedback([[0.5]], [[0.5]], [[0.0]]).norm)
    assert "puts an eigenvalue" in str(critical_feedback([[0.5]], [[0.5]], [[4.0]]))


@settings(max_examples=4, deadline=None)
@given(seed=SEEDS, share=st.sampled_from([0.0, 1e-3, 0.1, 0.5]))
def test_feedback_bound_holds(seed: int, share: float) -> None:
    A, B, C = system(seed, normal=True)
    J = joined(A, B, C)
    rng = np.random.default_rng(seed)
    size = share / float(np.linalg.norm(np.linalg.inv(np.eye(len(J)) - J), 2))

    bound = feedback_bound(J, size)

    for _ in range(2):
        draw = rng.standard_normal(J.shape) + 1j * rng.standard_normal(J.shape)
        E = size * draw / np.linalg.norm(draw, 2)
        if math.isfinite(bound):
            assert kreiss(J + E, rtol=1e-3).lower <= bound * (1 + 1e-9)
    if share == 0:
        assert bound <= kreiss(J, rtol=1e-3).upper * (1 + 1e-2)


def test_feedback_beyond_the_distance_to_instability_is_not_bounded() -> None:
    assert math.isinf(feedback_bound([[0.5]], 0.5))
    assert math.isinf(feedback_bound([[1.5]], 0.0))
    assert math.isfinite(feedback_bound([[0.5]], 0.49))


@settings(max_examples=5, deadline=None)
@given(seed=SEEDS, c=st.floats(0.1, 20))
def test_known_spectra_bound_every_such_system(seed: int, c: float) -> None:
    rng = np.random.default_rng(seed)
    first, second = [(-0.9, -0.6), 0.2], [(0.5, 0.95)]
    bound = kreiss_of_spectra(first, second, c, rtol=1e-4)

    for _ in range(3):
        values = [*rng.uniform(-0.9, -0.6, 2), 0.2], rng.uniform(0.5, 0.95, 2)
        bases = [np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (3, 2)]
        A, B = (Q @ np.diag(v) @ Q.T for Q, v in zip(bases, values, strict=True))
        C = rng.standard_normal((2, 3))
        K = kreiss(joined(A, B, c * C / np.linalg.norm(C, 2)), rtol=1e-4)
        assert K.lower <= bound * (1 + 1e-9)
    assert bound <= Blocks(a=0.9, b=0.95, c=c).kreiss * (1 + 1e-9)


@pytest.mark.parametrize(("a", "b"), [(0.9, 0.9), (-0.9, 0.9), (0.3 + 0.6j, 0.8), (0.5, 0.0)])
def test_known_eigenvalues_are_exact(a: complex, b: complex) -> None:
    bound = kreiss_of_spectra([a], [b], 3.0)

    K = kreiss([[a, 0], [3.0, b]])
    assert K.lower <= bound * (1 + 1e-9)
    assert bound <= K.upper * (1 + 2e-6)


def test_opposite_spectra_do_not_resonate() -> None:
    plain = Blocks(a=0.9, b=0.9, c=5.0).kreiss

    assert kreiss_of_spectra([(-0.9, -0.8)], [(0.8, 0.9)], 5.0) < plain / 5
    assert kreiss_of_spectra([0.1], [0.1], 0.5) == 1


def test_refuses_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="`C` must have shape"):
        instance_bounds([[0.5]], [[0.5]], [[1, 2]])
    with pytest.raises(ValueError, match="`C` must have shape"):
        critical_feedback([[0.5]], [[0.5]], [[1, 2]])
    with pytest.raises(ValueError, match="`norm`"):
        feedback_bound([[0.5]], -1)
    with pytest.raises(ValueError, match="inside the unit circle"):
        kreiss_of_spectra([1.0], [0.5], 1.0)
    with pytest.raises(ValueError, match="intervals"):
        kreiss_of_spectra([(0.5, 0.2)], [0.5], 1.0)
    with pytest.raises(ValueError, match="at least one"):
        kreiss_of_spectra([], [0.5], 1.0)
    with pytest.raises(ValueError, match="numbers"):
        kreiss_of_spectra([math.nan], [0.5], 1.0)
