"""Quadratic certificates against growth, and against another solver where it is installed."""

import numpy as np
import pytest
from numpy import ndarray
from numpy.testing import assert_allclose

from passband.transients import certificate, growth


def stable(seed: int, n: int, radius: float = 0.95) -> ndarray:
    A = np.random.default_rng(seed).standard_normal((n, n))
    return radius * A / np.abs(np.linalg.eigvals(A)).max()


@pytest.mark.parametrize(("seed", "n"), [(0, 2), (1, 4), (2, 6), (3, 9)])
def test_it_proves_what_it_says(seed: int, n: int) -> None:
    A = stable(seed, n)

    found = certificate(A)

    values = np.linalg.eigvalsh(found.P)
    assert np.linalg.eigvalsh(found.P - A.T @ found.P @ A)[0] > 0
    assert_allclose(found.growth, np.sqrt(values[-1] / values[0]), rtol=1e-9)
    assert growth(A).peak <= found.growth * (1 + 1e-9)
    assert found.lower <= found.growth <= found.lower * (1 + 1e-3)


def test_equal_radii_and_strong_coupling() -> None:
    """``[[γ, 0], [c, γ]]``: ``c / (2(1 − γ))``, twice the Kreiss constant, where that is large."""
    gamma, c = 0.99, 1.0

    found = certificate([[gamma, 0.0], [c, gamma]])

    assert_allclose(found.growth, c / (2 * (1 - gamma)), rtol=1e-2)


def test_very_strong_coupling_is_still_bounded() -> None:
    """Where Newton steps are ill-conditioned, what is proven holds all the same."""
    A = np.array([[0.999, 0.0], [1.0, 0.999]])

    found = certificate(A)

    assert np.linalg.eigvalsh(found.P - A.T @ found.P @ A)[0] > -1e-9 * found.growth
    assert growth(A).peak <= found.growth <= 1.02 * 1.0 / (2 * 0.001)


def test_a_rate_is_proven_too() -> None:
    A = stable(4, 4, radius=0.8)

    found = certificate(A, rate=0.9)

    power = np.eye(4)
    for k in range(60):
        assert np.linalg.norm(power, 2) <= found.growth * 0.9**k * (1 + 1e-9)
        power = A @ power


def test_complex_matrices_and_rotations() -> None:
    A = stable(5, 3) * np.exp(0.7j)

    assert_allclose(certificate(A).growth, certificate(stable(5, 3)).growth, rtol=2e-3)
    assert_allclose(certificate(0.9 * np.eye(3)).growth, 1.0, atol=1e-3)


def test_another_solver_agrees() -> None:
    cvxpy = pytest.importorskip("cvxpy")
    A = stable(1, 4)
    P, kappa = cvxpy.Variable((4, 4), symmetric=True), cvxpy.Variable()
    eye = np.eye(4)
    constraints = [P - eye >> 0, kappa * eye - P >> 0, P - A.T @ P @ A >> 0]
    problem = cvxpy.Problem(cvxpy.Minimize(kappa), constraints)

    problem.solve(solver=cvxpy.CLARABEL)

    assert_allclose(certificate(A, rtol=1e-5).growth, np.sqrt(kappa.value), rtol=1e-4)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="spectral radius"):
        certificate([[1.0]])
    with pytest.raises(ValueError, match="at most 40"):
        certificate(np.eye(41) / 2)
    with pytest.raises(ValueError, match="`rtol`"):
        certificate([[0.5]], rtol=0.0)
