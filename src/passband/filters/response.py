"""Gradient oracles: the curvature ``h(λ)`` that an optimizer is shown instead of ``λ``.

An optimizer that evaluates its gradient somewhere else than at its weights, as the
sharpness-aware ones do, is an ordinary optimizer fed with ``h(λ)``. A curvature is let through
if ``h(λ)`` is, so passbands are preimages under ``h``. They are found exactly: between two
turning points ``h`` is monotone and takes every value once.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, final

import numpy as np
from scipy.optimize import brentq

from passband.filters.passband import Interval, Passband

_HUGE = 1e300  # stands for values beyond double precision
_TANGENT = 1e-12  # relative: a turning point this close to a boundary touches it


class Piece(NamedTuple):
    """An interval on which a response is monotone, with its limits at both ends."""

    lower: float
    upper: float
    at_lower: float
    at_upper: float


class Response(ABC):
    """The curvature ``h(λ)`` a gradient oracle presents to the optimizer."""

    @property
    @abstractmethod
    def degree(self) -> int:
        """Degree of ``h`` as a polynomial, or 0 if it is none."""

    @property
    @abstractmethod
    def gradients(self) -> float:
        """Gradient evaluations behind one value; a Hessian-vector product counts as one."""

    @abstractmethod
    def __call__(self, lam: Any) -> Any:
        """Return ``h(λ)``."""

    @abstractmethod
    def sensitivity(self, lam: Any) -> Any:
        """Return ``∂q/∂ξ``: how noise ξ in every gradient of the oracle appears in its answer q."""

    def turning_points(self) -> Sequence[float]:
        """Return, in ascending order, the finite ``λ`` at which ``h`` turns; none if not said."""
        return ()

    def pieces(self) -> list[Piece]:
        """Return the intervals between turning points, with the values of ``h`` at their ends."""
        ends = [-math.inf, *self.turning_points(), math.inf]
        values = [self._limit(end) for end in ends]
        return [Piece(*ends[i : i + 2], *values[i : i + 2]) for i in range(len(ends) - 1)]

    def _limit(self, end: float) -> float:
        """Return ``h`` at ``end``; a polynomial is infinite at infinity."""
        if math.isfinite(end):
            return self.at(end)
        outermost = max(map(abs, self.turning_points()), default=0.0)
        near = math.copysign(2 * outermost or 1.0, end)
        while math.isfinite(self.at(2 * near)):
            if rise := self.at(2 * near) - self.at(near):
                return math.copysign(math.inf, rise)
            near *= 2  # rounded away beside an offset
        return self.at(2 * near)

    @final
    def at(self, lam: float) -> float:
        """Return ``h(λ)`` at one finite curvature, infinite where it overflows."""
        with np.errstate(over="ignore"):
            return float(self(np.float64(lam)))

    @final
    def preimage(self, passband: Passband) -> Passband:
        """Return ``{λ : h(λ) in passband}``, boundaries correct to rounding."""
        slack = _TANGENT * max((abs(self.at(end)) for end in self.turning_points()), default=0.0)
        found = [
            part
            for piece in self.pieces()
            for interval in passband
            if (part := self._preimage_in(piece, interval, slack)) is not None
        ]
        return Passband.union(found)

    def _preimage_in(self, piece: Piece, target: Interval, slack: float) -> Interval | None:
        """Return the part of ``piece`` that ``h`` maps into ``target``, up to ``slack``."""
        low, high = sorted(
            [(piece.at_lower, piece.lower), (piece.at_upper, piece.upper)],
            key=lambda end: end[0],
        )
        if low[0] > target.upper + slack or high[0] < target.lower - slack:
            return None
        first, last = low[1], high[1]
        if low[0] < target.lower - slack:
            first = self.solve(piece, target.lower) if target.lower < high[0] else high[1]
        if high[0] > target.upper + slack:
            last = self.solve(piece, target.upper) if target.upper > low[0] else low[1]
        first_exit = target.lower_exit if low[0] <= target.lower + slack else None
        last_exit = target.upper_exit if high[0] >= target.upper - slack else None
        if first == last:
            first_exit = last_exit = first_exit or last_exit
        if first > last:
            first, last, first_exit, last_exit = last, first, last_exit, first_exit
        return Interval(first, last, lower_exit=first_exit, upper_exit=last_exit)

    def solve(self, piece: Piece, value: float) -> float:
        """Return the one ``λ`` in ``piece`` with ``h(λ) = value``."""

        def excess(lam: float) -> float:
            return min(max(self.at(lam) - value, -_HUGE), _HUGE)

        lower, upper = piece.lower, piece.upper
        if lower <= 0 <= upper and excess(0.0) == 0:
            return 0.0
        falling = piece.at_lower > piece.at_upper
        inner = next((end for end in (lower, upper) if math.isfinite(end)), 0.0)
        reach = max(abs(inner), abs(value), 1e-300)
        while abs(excess(inner - reach)) == _HUGE or abs(excess(inner + reach)) == _HUGE:
            reach /= 2  # h may live on another scale than its values
        while not math.isfinite(lower) and math.isfinite(reach):
            lower = inner - reach if (excess(inner - reach) > 0) == falling else lower
            reach *= 2
        while not math.isfinite(upper) and math.isfinite(reach):
            upper = inner + reach if (excess(inner + reach) < 0) == falling else upper
            reach *= 2
        if not math.isfinite(reach):  # beyond double precision
            return lower if math.isinf(lower) else upper
        rtol = 4 * float(np.finfo(np.float64).eps)
        return float(brentq(excess, lower, upper, xtol=1e-300, rtol=rtol, maxiter=2000))  # pyright: ignore[reportArgumentType]
