"""Power series to second order: what a filter does to the flattest modes."""

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Float

_SIMPLE = 1e-9  # other multipliers are at least this far from the slow one


@final
@dataclass(frozen=True, slots=True)
class Series:
    """``a + b λ + c λ²``, what lies beyond dropped. Goes where a curvature goes."""

    a: Any
    b: Any
    c: Any

    __array_ufunc__ = None  # NumPy's scalars leave the arithmetic to us

    def __add__(self, other: Any) -> "Series":
        """Return the sum; a number is a constant series."""
        o = _series(other)
        return Series(self.a + o.a, self.b + o.b, self.c + o.c)

    def __mul__(self, other: Any) -> "Series":
        """Return the product to second order."""
        o = _series(other)
        return Series(
            self.a * o.a, self.a * o.b + self.b * o.a, self.a * o.c + self.b * o.b + self.c * o.a
        )

    def __truediv__(self, other: Any) -> "Series":
        """Return the quotient to second order."""
        o = _series(other)
        a = self.a / o.a
        b = (self.b - a * o.b) / o.a
        return Series(a, b, (self.c - a * o.c - b * o.b) / o.a)

    def __pow__(self, exponent: int) -> "Series":
        """Return a whole power."""
        power = Series(1.0, 0.0, 0.0)
        for _ in range(exponent):
            power = power * self
        return power

    def __neg__(self) -> "Series":
        """Return the series with all signs turned."""
        return self * -1.0

    def __sub__(self, other: Any) -> "Series":
        """Return the difference."""
        return self + -_series(other)

    def __rsub__(self, other: Any) -> "Series":
        """Return the difference from a number."""
        return _series(other) - self

    __radd__ = __add__
    __rmul__ = __mul__

    @override
    def __str__(self) -> str:
        return f"{self.a:g} + {self.b:g} λ + {self.c:g} λ²"


def _series(value: Any) -> Series:
    return value if isinstance(value, Series) else Series(value, 0.0, 0.0)


def slow_multiplier(
    E: tuple[Float[ndarray, "s s"], Float[ndarray, "s s"], Float[ndarray, "s s"]],
) -> Series:
    """Return the multiplier nearest one, by perturbation of its eigenvector.

    Args:
        E: Coefficients of ``M − I`` in powers of the curvature, around any curvature.

    Returns:
        The series of the multiplier, or NaN throughout if it is not real and simple at the
        center, or if another one is outside the unit circle there.
    """
    E0, E1, E2 = E
    undefined = Series(math.nan, math.nan, math.nan)
    values, vectors = np.linalg.eig(E0)
    order = np.argsort(np.abs(values))
    slow = order[0]
    others = values[order[1:]]
    if (np.abs(others - values[slow]) < _SIMPLE).any() or (np.abs(1 + others) > 1 + _SIMPLE).any():
        return undefined
    e0 = float(np.real(values[slow]))
    if values[slow] != e0:
        return undefined
    v = np.real(vectors[:, slow])
    w = np.linalg.svd((E0 - e0 * np.eye(len(v))).T)[2][-1]  # left null vector
    w = w / (w @ v)
    e1 = w @ E1 @ v
    bordered = np.block([[E0 - e0 * np.eye(len(v)), v[:, None]], [w[None, :], np.zeros((1, 1))]])
    v1 = np.linalg.solve(bordered, np.append(e1 * v - E1 @ v, 0.0))[:-1]
    e2 = w @ (E2 @ v + E1 @ v1 - e1 * v1)
    return Series(1 + e0, float(e1), float(e2))
