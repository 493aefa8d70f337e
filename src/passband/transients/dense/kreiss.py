"""The Kreiss constant: how far a transient can grow, whatever the eigenvalues say."""

import math
import warnings
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Num
from passband.errors import UnconvergedWarning
from passband.transients.dense.boundary import Stability, distance, stability
from passband.transients.dense.bracket import Bracket, bracket
from passband.transients.dense.curves import curves_of
from passband.transients.dense.level_sets import Curves
from passband.transients.dense.marginal import near_boundary
from passband.transients.dense.matrices import ROUNDING, Time, as_square, check_time, norm
from passband.transients.dense.numerical_range import numerical_abscissa, radius_bounds
from passband.transients.dense.precise import precise_distance, precise_maximum


@final
@dataclass(frozen=True, slots=True)
class Kreiss:
    """The Kreiss constant between two bounds: ``lower ≤ K ≤ upper``.

    Attributes:
        lower: Lower bound, attained at `z` up to rounding; ``inf`` if unstable.
        upper: Upper bound, by convexity between the circles (lines) that were examined.
        z: Where the lower bound is attained: its modulus (real part) is the rate of the growth,
            its argument (imaginary part) the frequency. None where it is the limit at infinity.
            An eigenvalue, where that is what makes K infinite, or is on the boundary itself.
        time: ``"discrete"`` or ``"continuous"``.
        evaluations: Circles or lines that were examined, one eigenproblem of size 2n or more each.
        accuracy: Relative error that rounding can make in the lower bound.
        note: What is special about this matrix; empty if nothing is.
    """

    lower: float
    upper: float
    z: complex | None
    time: Time
    evaluations: int = 0
    accuracy: float = 0.0
    note: str = ""

    @property
    def reliable(self) -> bool:
        """Whether the arithmetic carries at least two digits of the constant."""
        return self.accuracy <= 1e-2

    @override
    def __str__(self) -> str:
        where = "as |z| → ∞" if self.z is None else f"at z = {self.z:.6g}"
        value = "infinite" if math.isinf(self.lower) else f"[{self.lower:.9g}, {self.upper:.9g}]"
        lines = [f"Kreiss constant {value} {where}"]
        if not self.reliable:
            lines.append(f"rounding may change it by {self.accuracy:.0%}; pass `digits`")
        return "; ".join([*lines, self.note] if self.note else lines)


_LARGEST = 1e150  # norm whose square is a float64, with room for factors
_ONE: dict[Time, str] = {
    "discrete": "the numerical radius is at most 1, so no power is larger than 2",  # Berger 1965
    "continuous": "no transient: the numerical abscissa is at most 0, so nothing grows",
}


def kreiss(
    A: Any, *, rtol: float = 1e-6, time: Time = "discrete", digits: int | None = None
) -> Kreiss:
    r"""Return the Kreiss constant of an iteration or a flow between two bounds.

    .. math::
        K(A) = \sup_{|z|>1} (|z|-1)\,\|(zI-A)^{-1}\|_2, \qquad
        K(A) \le \sup_k \|A^k\|_2 \le e\,n\,K(A),

    and with ``Re z`` in place of ``|z| − 1`` for the flow ``x' = A x``. It is 1 exactly if the
    numerical radius is at most one (the numerical abscissa at most zero), and infinite if an
    eigenvalue is outside, or on the boundary and defective. The norm is the spectral norm: the
    units of the state matter.

    Both sides hold up to the rounding of float64, which the bracket includes: close to float64's
    limits it stays wider than ``rtol``, and a warning says so. A dozen to fifty circles are
    examined, each an eigenproblem of size 2n; hundreds or, at 1e-6, thousands if a constant well
    above 1 is attained all along a curve, as by a flow of a single undamped frequency.

    Args:
        A: Square matrix, shape ``(n, n)``, real or complex.
        rtol: Relative width of the bracket. Cost grows with its logarithm.
        time: ``"discrete"`` for ``x ← A x``, ``"continuous"`` for ``x' = A x``.
        digits: Decimal digits of the arithmetic, by mpmath; float64 by default. A second at
            n = 2, half a minute at n = 8.

    Returns:
        The bracket, where it is attained, and its accuracy.

    Raises:
        TypeError: If A is not a matrix of numbers.
        ValueError: If A is not a finite square matrix, if the norm of an iteration is above
            1e150, or if ``rtol``, ``time`` or ``digits`` is out of range.
        MissingExtraError: If ``digits`` is given and mpmath is not installed.

    Warns:
        UnconvergedWarning: If the bracket stays wider than ``rtol``.

    Example:
        Two modes of decay ½, one driven by the other with strength 4: ``4/(4·½) + ½/4``.

        >>> found = kreiss([[0.5, 0.0], [4.0, 0.5]])
        >>> found.lower <= 17 / 8 <= found.upper
        True

    References:
        Kreiss, BIT 2, 1962; Mitchell, *Computing the Kreiss constant of a matrix*, SIAM J. Matrix
        Anal. Appl. 41, 2020. Here: convexity of ``log max_{|z|=r} ‖(zI − A)⁻¹‖`` in ``log r``.
    """
    matrix = as_square(A)
    check_time(time)
    if not 0 < rtol < math.inf:
        raise ValueError(f"`rtol` must be positive and finite; got {rtol!r}.")
    if digits is not None and not 1 <= digits < math.inf:
        raise ValueError(f"`digits` must be a whole number, 1 or more; got {digits!r}.")
    size = norm(matrix)
    if time == "discrete" and not size <= _LARGEST:
        raise ValueError(
            f"`A` must have a norm of at most {_LARGEST:g}, so that float64 holds its square; got "
            f"{size:.3g}. Scale the coordinates of the state."
        )
    unit = 1.0 if time == "discrete" else size or 1.0  # a flow's constant has no units
    matrix /= unit
    outside = _outside(matrix, time)
    if outside is None:
        return Kreiss(1.0, 1.0, None, time, note=_ONE[time])
    curves = curves_of(matrix, time, tolerance=min(rtol, 1) / 20)
    side = stability(curves)
    if side.kind == "undecided" and digits and precise_distance(matrix, time, int(digits)) < 0:
        side = Stability("stable", side.z)
    note = _note(side, time, unit)
    if side.kind == "unstable":
        return Kreiss(math.inf, math.inf, side.z * unit, time, note=note)
    if side.kind == "undecided":
        found = _from_below(curves, outside)
    else:
        near = near_boundary(side, matrix, time, rtol=rtol) if side.kind == "marginal" else None
        maximum = None if digits is None else precise_maximum(curves, int(digits))
        found = bracket(curves, outside=outside, rtol=rtol, near=near, maximum=maximum)
    if not found.upper <= (1 + rtol) * found.lower:
        warnings.warn(
            f"the Kreiss constant lies in [{found.lower:.9g}, {found.upper:.9g}], which is wider "
            f"than rtol={rtol:g}: rounding hides the rest, or it is nearly attained over many "
            "decades. For a small matrix pass `digits`; or accept a larger "
            "`rtol`.",
            UnconvergedWarning,
            stacklevel=2,
        )
    return Kreiss(
        found.lower,
        found.upper,
        None if found.z is None else found.z * unit,
        time,
        found.evaluations,
        _accuracy(matrix, found, time) if digits is None else 10.0 ** -int(digits),
        note,
    )


def _outside(A: Num[ndarray, "n n"], time: Time) -> float | None:
    """Return an upper bound of the numerical radius (abscissa), None if the constant is 1."""
    slack = 4 * len(A) * ROUNDING * norm(A)
    if time == "continuous":
        abscissa = numerical_abscissa(A)
        return abscissa + slack if abscissa > slack else None
    rough = radius_bounds(A, exact=False)
    if rough.lower > 1 + slack:
        return rough.upper
    exact = radius_bounds(A, exact=True) if rough.upper > 1 else rough
    return exact.upper + slack if exact.lower > 1 + slack else None


def _from_below(curves: Curves, outside: float) -> Bracket:
    """Return the largest value on a few curves, as a bracket without an upper bound."""
    xs = [x for x in curves.grid(outside) if x > 0]
    peaks = {x: curves.maximum(x) for x in [*xs, 1e-2 * min(xs), 1e-4 * min(xs)]}
    best = max(peaks, key=lambda x: x * peaks[x].lower)
    lower = max(1.0, best * peaks[best].lower)
    return Bracket(lower, math.inf, peaks[best].z, curves.evaluations)


def _accuracy(A: Num[ndarray, "n n"], found: Bracket, time: Time) -> float:
    """Return the relative rounding error of the Kreiss function where it is largest."""
    if found.z is None:
        return 0.0
    x = distance(found.z, time)
    size = norm(found.z * np.eye(len(A)) - A)
    if x <= ROUNDING * size:  # the limit at an eigenvalue on the boundary: a projector's norm
        return ROUNDING * size * found.lower**2
    return ROUNDING * size * found.lower / x


def _note(side: Stability, time: Time, unit: float) -> str:
    """Return what is special about the eigenvalues, in words."""
    boundary = "unit circle" if time == "discrete" else "imaginary axis"
    z = side.z * unit
    if side.kind == "marginal":
        size, z = max(((norm(P), z) for z, P in side.projectors), key=lambda pair: pair[0])
        return (
            f"marginal: the eigenvalue {z * unit:.6g} is on the {boundary}, to rounding, and "
            f"semisimple; its spectral projector has norm {size:.6g}"
        )
    if side.kind == "undecided":
        return (
            f"the eigenvalue {z:.15g} is so near the {boundary}, and so sensitive, that float64 "
            "cannot tell whether powers stay bounded: only the lower bound is known"
        )
    if side.kind == "unstable" and distance(side.z, time) > math.sqrt(ROUNDING):
        return f"unstable: the eigenvalue {z:.6g} is outside the {boundary}"
    if side.kind == "unstable":
        return (
            f"unstable: the eigenvalue {z:.15g} is outside the {boundary}, or on it and defective"
        )
    return ""
