"""How far a matrix is from normal, and what that does to its eigenvalues."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.linalg
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Complex, Float
from passband.transients.dense.matrices import ROUNDING, as_square

_SHOWN = 8


def departure_from_normality(A: Any) -> float:
    """Return Henrici's departure ``(‖A‖_F² − Σ|λ|²)^½``: what a Schur form has off its diagonal.

    Zero for normal matrices only, which have no transients.

    Args:
        A: Square matrix, shape ``(n, n)``.

    Raises:
        TypeError: If A is not a matrix of numbers.
        ValueError: If A is not a finite square matrix.

    Example:
        >>> departure_from_normality([[0.5, 0.0], [4.0, 0.5]])
        4.0

    References:
        Henrici, Numer. Math. 4, 1962.
    """
    triangle = scipy.linalg.schur(as_square(A), output="complex")[0]
    return float(np.linalg.norm(np.triu(triangle, 1)))


@final
@dataclass(frozen=True, slots=True, eq=False)
class EigenvalueConditions:
    """Eigenvalues and how sensitive each is: a perturbation ε moves it by ``condition · ε``.

    Attributes:
        values: Eigenvalues, largest modulus first, shape ``(n,)``.
        conditions: ``1 / |y*x|`` of the unit left and right eigenvectors, at least one, shape
            ``(n,)``; ``inf`` for a defective eigenvalue, to rounding.
    """

    values: Complex[ndarray, " n"]
    conditions: Float[ndarray, " n"]

    @override
    def __str__(self) -> str:
        """Return the most sensitive eigenvalues, a line each."""
        worst = np.argsort(-self.conditions, kind="stable")[:_SHOWN]
        lines = [f"  {self.values[i]:<24.6g}{self.conditions[i]:.4g}" for i in worst]
        left = len(self.values) - len(worst)
        rest = [f"  and {left} less sensitive"] if left else []
        return "\n".join([f"  {'eigenvalue':<24}condition", *lines, *rest])


def eigenvalue_conditions(A: Any) -> EigenvalueConditions:
    """Return the eigenvalues with their condition numbers.

    One is what every eigenvalue of a normal matrix has. The largest is a lower bound of the
    condition number of any matrix of eigenvectors.

    Args:
        A: Square matrix, shape ``(n, n)``.

    Raises:
        TypeError: If A is not a matrix of numbers.
        ValueError: If A is not a finite square matrix.

    Example:
        >>> eigenvalue_conditions([[1, 0], [0, 2]]).conditions
        array([1., 1.])

    References:
        Wilkinson, *The Algebraic Eigenvalue Problem*, Oxford 1965, chapter 2.
    """
    eigensystem: Any = scipy.linalg.eig(as_square(A), left=True, right=True)
    values, left, right = eigensystem
    overlap = np.abs(np.einsum("ij,ij->j", left.conj(), right))
    order = np.argsort(-np.abs(values), kind="stable")
    with np.errstate(divide="ignore"):
        conditions = np.where(overlap > len(values) * ROUNDING, 1 / overlap, np.inf)
    return EigenvalueConditions(
        np.asarray(values[order], dtype=np.complex128), np.maximum(conditions[order], 1.0)
    )
