"""The maximum of the resolvent on a curve, in as many digits as are wanted.

The same level set method as in float64, started from its answer. What float64 loses is the
smallest singular value: its error is ``u ‖zI − A‖``, however small the value itself.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from passband._shapes import Num
from passband.errors import MissingExtraError
from passband.transients.dense.level_sets import Curves, Peak
from passband.transients.dense.matrices import Time


def precise_maximum(curves: Curves, digits: int) -> Callable[[float], Peak]:
    """Return ``x ↦ M(x)`` in arithmetic of ``digits`` decimal digits."""
    return _Precise(curves, _arithmetic(digits)).maximum


def precise_distance(A: Num[ndarray, "n n"], time: Time, digits: int) -> float:
    """Return how far outside the boundary the outermost eigenvalue is, negative if inside."""
    mp = _arithmetic(2 * digits)
    values = mp.eig(mp.matrix(A.tolist()), left=False, right=False)
    return float(max(abs(z) - 1 if time == "discrete" else mp.re(z) for z in values))


def _arithmetic(digits: int) -> Any:
    try:
        import mpmath
    except ModuleNotFoundError as error:  # pragma: no cover - torch brings it
        raise MissingExtraError(
            "`digits` needs `mpmath`, which is not installed: pip install mpmath."
        ) from error
    context = mpmath.mp.clone()
    context.dps = max(16, digits)
    return context


class _Precise:
    def __init__(self, curves: Curves, context: Any) -> None:
        self.curves, self.mp = curves, context
        self.size = len(curves.A)
        self.A = context.matrix(curves.A.tolist())
        self.identity = context.eye(self.size)

    def maximum(self, x: float) -> Peak:
        """Return the largest resolvent norm on the curve at distance x."""
        tolerance = self.mp.mpf(self.curves.tolerance)
        guess = self.curves.maximum(x).z
        t = float(np.angle(guess)) if self.curves.time == "discrete" else guess.imag
        looked = [t, *self.curves.starts(x).tolist()] if self.size <= 4 else [t]
        sigma, t = min((self.smallest(x, t), t) for t in looked)
        while True:
            level = sigma * (1 - tolerance)
            crossings = np.array(self.crossings(x, level))
            if crossings.size:
                trial = np.concatenate([crossings, self.curves.midpoints(crossings)])
                best, t_best = min((self.smallest(x, t), t) for t in trial.tolist())
                if best < level:
                    sigma, t = best, t_best
                    continue
            z = complex(self.curves.point(x, np.array([t]))[0])
            return Peak(float(1 / sigma), float(1 / level), z)

    def smallest(self, x: float, t: float) -> Any:
        """Return ``σ_min(zI − A)``."""
        values = self.mp.svd_c(self.point(x, t) * self.identity - self.A, compute_uv=False)
        return values[self.size - 1]

    def point(self, x: float, t: float) -> Any:
        if self.curves.time == "discrete":
            return (1 + self.mp.mpf(x)) * self.mp.expj(t)
        return self.mp.mpc(x, t)

    def crossings(self, x: float, level: Any) -> list[float]:
        """Return the parameters at which a singular value is ``level``, ascending."""
        mp, n = self.mp, self.size
        adjoint = self.A.H
        left, right = mp.zeros(2 * n), mp.zeros(2 * n)
        if self.curves.time == "continuous":
            shifted = self.A - mp.mpf(x) * self.identity
            _fill(left, shifted, -level * self.identity, level * self.identity, -shifted.H)
            found = mp.eig(left, left=False, right=False)
            near = mp.mpf(10) ** (-mp.dps / 4) * (self.curves.norm + x)
            return sorted(float(s.imag) for s in found if abs(s.real) <= near)
        r, zero = 1 + mp.mpf(x), mp.zeros(n)
        _fill(left, self.A, -level * self.identity, zero, r * self.identity)
        _fill(right, r * self.identity, zero, -level * self.identity, adjoint)
        w = mp.expj(1.2345678)  # the one point of the circle that goes to infinity
        cayley = mp.inverse(left + w * right) * (left - w * right)
        near = mp.mpf(10) ** (-mp.dps / 4)
        angles = [
            float(mp.arg(w * (1 + s) / (1 - s)))
            for s in mp.eig(cayley, left=False, right=False)
            if s != 1 and abs(abs((1 + s) / (1 - s)) - 1) <= near
        ]
        return sorted(angles)


def _fill(target: Any, a: Any, b: Any, c: Any, d: Any) -> None:
    """Write four blocks into a matrix of twice the size."""
    n = a.rows
    for rows, columns, block in ((0, 0, a), (0, n, b), (n, 0, c), (n, n, d)):
        for i in range(n):
            for j in range(n):
                target[rows + i, columns + j] = block[i, j]
