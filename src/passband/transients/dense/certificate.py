"""Quadratic certificates: how much growth the best Lyapunov function cannot exclude."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import scipy.linalg
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Float
from passband.transients.dense.matrices import as_square

_LARGEST = 40
_FASTER = 8.0  # of the barrier parameter from one center to the next
_CENTERED = 1e-3  # Newton decrement
_NEWTONS = 60


@final
@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """A norm ``x ↦ √(xᵀPx)`` in which no step is longer than ``rate`` times the last.

    So ``‖Aᵏ‖ ≤ growth · rateᵏ`` for all k, and for every product of matrices for which P serves.

    Attributes:
        growth: ``√(λ_max(P) / λ_min(P))``: the proven bound.
        lower: No quadratic function proves less than this.
        rate: The factor a step.
        P: The matrix, ``I ⪯ P`` and ``AᵀPA ⪯ rate² P``, shape ``(n, n)``; of a complex A that of
            ``[[Re A, −Im A], [Im A, Re A]]``.
        steps: Newton steps that were taken.
    """

    growth: float
    lower: float
    rate: float
    P: Float[ndarray, "n n"]
    steps: int

    @override
    def __str__(self) -> str:
        decay = "" if self.rate == 1 else f" · {self.rate:.6g}ᵏ"
        return f"no power exceeds {self.growth:.6g}{decay}, by a quadratic Lyapunov function"


def certificate(A: Any, *, rate: float = 1.0, rtol: float = 1e-3) -> Certificate:
    """Return the best bound of all powers that a quadratic Lyapunov function proves.

    The least κ with ``I ⪯ P ⪯ κ I`` and ``AᵀPA ⪯ rate² P``, a linear matrix inequality, by a
    barrier method; ``growth = √κ``. It bounds the peak of `growth` from above, is no better than
    it, and can be much worse; what it buys is that one P may serve many A. Newton steps with
    ``n(n+1)/2`` unknowns: a second at n = 16, a minute at 32.

    Args:
        A: Square matrix, shape ``(n, n)``, n up to 40.
        rate: The factor a step to prove, above the spectral radius.
        rtol: Relative distance of ``growth`` to ``lower``.

    Raises:
        ValueError: If ``rate`` is not above the spectral radius: there is no certificate.

    Example:
        Of ``[[½, 0], [4, ½]]`` the largest power is ``(√17 + 4) / 2 = 4.06``; this proves 5.33.

        >>> print(certificate([[0.5, 0.0], [4.0, 0.5]], rtol=1e-4))
        no power exceeds 5.333..., by a quadratic Lyapunov function

    References:
        Boyd et al., *Linear Matrix Inequalities in System and Control Theory*, SIAM 1994,
        section 5.1; Boyd and Vandenberghe, *Convex Optimization*, 2004, section 11.6.
    """
    matrix = as_square(A)
    if np.iscomplexobj(matrix):
        re, im = np.real(matrix), np.imag(matrix)
        matrix = np.block([[re, -im], [im, re]])
    if len(matrix) > _LARGEST:
        raise ValueError(
            f"`A` must have at most {_LARGEST} rows here, twice as many as a complex matrix has; "
            f"got {len(matrix)}. `Blocks` and `growth` bound larger ones."
        )
    if not 0 < rtol < 1:
        raise ValueError(f"`rtol` must lie in (0, 1); got {rtol!r}.")
    radius = float(np.abs(np.linalg.eigvals(matrix)).max())
    if not radius < rate < math.inf:
        raise ValueError(
            f"`rate` must be above the spectral radius, {radius:.6g}; got {rate!r}. "
            "Nothing decays faster than that."
        )
    barrier = _Barrier(matrix / rate)
    point, newtons = barrier.begin(), 0
    t = 3.0 * len(matrix) / point.kappa
    while True:
        point, spent, decrement = barrier.centered(point, t)
        newtons += spent
        lower = max(point.kappa - barrier.gap(t, decrement), 1.0)
        upper = barrier.condition(point.P)
        stuck = spent >= _NEWTONS
        if upper <= lower * (1 + rtol) ** 2 or stuck:
            return Certificate(math.sqrt(upper), math.sqrt(lower), float(rate), point.P, newtons)
        t *= _FASTER


class _Point(NamedTuple):
    P: Float[ndarray, "n n"]
    kappa: float


class _Barrier:
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

    def begin(self) -> _Point:
        """Return a point inside: ``P = 2 Σ (Aᵏ)ᵀAᵏ``."""
        half = scipy.linalg.solve_discrete_lyapunov(self._A.T, self._eye)
        P = half + half.T
        return _Point(P, 1.5 * float(np.linalg.eigvalsh(P)[-1]))

    def gap(self, t: float, decrement: float) -> float:
        """Return how far κ can be above the least one."""
        nu = 3.0 * self._n
        return (nu + decrement * (decrement + math.sqrt(nu)) / (1 - decrement)) / t

    def condition(self, P: Float[ndarray, "n n"]) -> float:
        """Return ``λ_max / λ_min``."""
        values = np.linalg.eigvalsh(P)
        return float(values[-1] / values[0])

    def centered(self, point: _Point, t: float) -> tuple[_Point, int, float]:
        """Return the minimizer near a point, the Newton steps, and the decrement left."""
        decrement = 0.0
        for step in range(_NEWTONS):
            direction, slope = self._newton(point, t)
            decrement = math.sqrt(max(-slope, 0.0))
            if decrement <= _CENTERED:
                return point, step, decrement
            length, here = 1.0, self._value(point, t)
            while length > 1e-10:
                P = point.P + length * direction.P
                trial = _Point(P, point.kappa + length * direction.kappa)
                if self._value(trial, t) <= here + 0.1 * length * slope:
                    break
                length /= 2
            else:
                return point, _NEWTONS, min(decrement, 0.5)
            point = trial
        return point, _NEWTONS, min(decrement, 0.5)

    def _parts(self, point: _Point) -> tuple[ndarray, ndarray, ndarray]:
        P, kappa = point
        return P - self._eye, kappa * self._eye - P, P - self._A.T @ P @ self._A

    def _value(self, point: _Point, t: float) -> float:
        total = t * point.kappa
        for part in self._parts(point):
            try:
                factor = np.linalg.cholesky(part)
            except np.linalg.LinAlgError:
                return math.inf
            total -= 2 * float(np.log(np.diag(factor)).sum())
        return total

    def _newton(self, point: _Point, t: float) -> tuple[_Point, float]:
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
        step = -scale * scipy.linalg.solve(scaled, scale * gradient, assume_a="sym")
        direction = np.zeros((self._n, self._n))
        direction[self._upper] = step[:-1]
        direction += np.triu(direction, 1).T
        return _Point(direction, float(step[-1])), float(gradient @ step)
