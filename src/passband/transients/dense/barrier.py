"""The barrier of three matrix inequalities: ``I ≺ P``, ``P ≺ κI`` and ``AᵀPA ≺ P``."""

import math
from typing import NamedTuple, final

import numpy as np
import scipy.linalg
from numpy import ndarray

from passband._shapes import Float

NEWTONS = 60
"""Newton steps to one center at most."""

_CENTERED = 1e-3  # Newton decrement


class Point(NamedTuple):
    """A matrix and a bound of its eigenvalues from above."""

    P: Float[ndarray, "n n"]
    kappa: float


@final
class Barrier:
    """``tκ − log det(P − I) − log det(κI − P) − log det(P − AᵀPA)`` and its Newton steps."""

    def __init__(self, A: Float[ndarray, "n n"]) -> None:
        self._A, self._n = A, len(A)
        n, eye = self._n, np.eye(self._n)
        rows, columns = np.triu_indices(n)
        self._upper = rows, columns
        basis = np.zeros((n, n, len(rows)))
        basis[rows, columns, np.arange(len(rows))] = 1
        basis[columns, rows, np.arange(len(rows))] = 1
        self._basis = basis
        self._moved = basis - np.einsum("ji,jkp,kl->ilp", A, basis, A, optimize=True)
        self._eye = eye

    def begin(self) -> Point:
        """Return a point inside: ``P = 2 Σ (Aᵏ)ᵀAᵏ``."""
        half = scipy.linalg.solve_discrete_lyapunov(self._A.T, self._eye)
        P = half + half.T
        return Point(P, 1.5 * float(np.linalg.eigvalsh(P)[-1]))

    def gap(self, t: float, decrement: float) -> float:
        """Return how far κ can be above the least one."""
        nu = 3.0 * self._n
        return (nu + decrement * (decrement + math.sqrt(nu)) / (1 - decrement)) / t

    def condition(self, P: Float[ndarray, "n n"]) -> float:
        """Return ``λ_max / λ_min``."""
        values = np.linalg.eigvalsh(P)
        return float(values[-1] / values[0])

    def centered(self, point: Point, t: float) -> tuple[Point, int, float]:
        """Return the minimizer near a point, the Newton steps, and the decrement left."""
        decrement = 0.0
        for step in range(NEWTONS):
            direction, slope = self._newton(point, t)
            decrement = math.sqrt(max(-slope, 0.0))
            if decrement <= _CENTERED:
                return point, step, decrement
            length, here = 1.0, self._value(point, t)
            while length > 1e-10:
                P = point.P + length * direction.P
                trial = Point(P, point.kappa + length * direction.kappa)
                if self._value(trial, t) <= here + 0.1 * length * slope:
                    break
                length /= 2
            else:
                return point, NEWTONS, min(decrement, 0.5)
            point = trial
        return point, NEWTONS, min(decrement, 0.5)

    def _parts(self, point: Point) -> tuple[ndarray, ndarray, ndarray]:
        P, kappa = point
        return P - self._eye, kappa * self._eye - P, P - self._A.T @ P @ self._A

    def _value(self, point: Point, t: float) -> float:
        total = t * point.kappa
        for part in self._parts(point):
            try:
                factor = np.linalg.cholesky(part)
            except np.linalg.LinAlgError:
                return math.inf
            total -= 2 * float(np.log(np.diag(factor)).sum())
        return total

    def _newton(self, point: Point, t: float) -> tuple[Point, float]:
        """Return the Newton direction and the slope along it."""
        count = self._basis.shape[2]
        gradient, hessian = np.zeros(count + 1), np.zeros((count + 1, count + 1))
        gradient[-1] = t
        first, second, third = (np.linalg.inv(part) for part in self._parts(point))
        for inverse, moves, sign in (
            (first, self._basis, 1.0),
            (second, self._basis, -1.0),
            (third, self._moved, 1.0),
        ):
            flat = moves.reshape(-1, count)
            gradient[:-1] -= sign * (inverse.reshape(-1) @ flat)
            half = np.tensordot(inverse, moves, axes=(1, 0))  # W M_p, as (i, j, p)
            around = np.einsum("ijp,jk->ikp", half, inverse, optimize=True)
            hessian[:-1, :-1] += flat.T @ around.reshape(-1, count)
            if sign < 0:
                gradient[-1] -= float(np.trace(inverse))
                mixed = -((inverse @ inverse).reshape(-1) @ flat)
                hessian[:-1, -1] = hessian[-1, :-1] = mixed
                hessian[-1, -1] = float((inverse * inverse).sum())
        scale = 1 / np.sqrt(np.diag(hessian))
        scaled = scale[:, None] * hessian * scale
        wanted = scale * gradient
        solution = np.linalg.solve(scaled, wanted)
        solution += np.linalg.solve(scaled, wanted - scaled @ solution)  # refined once
        step = -scale * solution
        direction = np.zeros((self._n, self._n))
        direction[self._upper] = step[:-1]
        direction += np.triu(direction, 1).T
        return Point(direction, float(step[-1])), float(gradient @ step)
