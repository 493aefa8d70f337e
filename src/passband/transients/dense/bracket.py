"""The Kreiss constant between two bounds, by three circles.

``M(x)``, the largest resolvent norm on the curve at distance x, is log-convex in the curve's
coordinate. So between two curves it lies below its chord, and the maximum of ``x M(x)`` under
the chord is explicit: an upper bound on every interval, closed by a tail beyond the numerical
range. The curve at the highest bound is examined next, until the bounds meet the best value.

Two more bounds serve where ``x M(x)`` hardly changes, and chords would have to be short. For a
unit vector v, ``‖(zI − A) v‖² − |z|²`` is linear along a ray (a horizontal line), so that
``1/M(x)² − x²`` is concave, and its chord is the sharper one below ``K = √2``, by ``1/(K² − 1)``.
Next to eigenvalues on the boundary there are chords of the resolvent without them.
"""

import heapq
import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from passband.transients.dense.level_sets import Chord, Curves, Peak
from passband.transients.dense.marginal import NearBoundary

_FEWEST = 1e-9  # relative width of an interval that is not divided any more
_EDGE = 0.05  # of an interval, in its logarithm: kept between a new curve and the old ones
_SHORT = 0.25  # of an inset's depth: intervals for which it is worth its price


class Bracket(NamedTuple):
    """``lower ≤ K ≤ upper``; z nearly attains the lower bound, None if infinity does."""

    lower: float
    upper: float
    z: complex | None
    evaluations: int


class _Segment(NamedTuple):
    """What lies between two examined distances: the bound, and where it is attained.

    Ordered by height, the highest first. ``insets`` says how many have lowered the bound.
    """

    order: float
    x1: float
    x2: float
    bound: Chord
    insets: int


def bracket(
    curves: Curves,
    *,
    outside: float,
    rtol: float,
    near: NearBoundary | None = None,
    maximum: Callable[[float], Peak] | None = None,
) -> Bracket:
    """Return a bracket of ``sup x M(x)``, relative width at most ``rtol`` unless rounding forbids.

    Args:
        curves: Circles or lines.
        outside: Upper bound of the numerical radius (abscissa), above one (zero).
        rtol: Relative width at which to stop.
        near: What is known near the boundary where M is infinite on it.
        maximum: How a curve is examined; by the curves themselves by default.
    """
    intervals = _Intervals(curves, near, maximum or curves.maximum)
    intervals.start([x for x in curves.grid(outside) if x > 0 or near is None])
    most = 200 + 8000 // len(curves.A)
    while True:
        highest, last, lower = intervals.highest, intervals.last, intervals.lower
        tail = curves.tail(last, outside)
        upper = max(highest.bound.height, tail, lower)
        found = Bracket(lower, upper, intervals.z, curves.evaluations)
        if upper <= (1 + rtol) * lower or len(intervals.heights) >= most:
            return found
        if tail >= highest.bound.height:
            target = curves.tail_start(lower * (1 + rtol / 2), outside)
            intervals.extend(min(max(3 * last, target), 1e3 * last))
        elif highest.x1 > 0 and highest.x2 <= highest.x1 * (1 + _FEWEST):
            return found
        else:
            intervals.divide()


class _Intervals:
    """All intervals between examined curves, from the boundary on.

    Attributes:
        heights: Upper bounds of M at the distances that were examined.
        lower: The largest value of ``x M(x)`` so far, or its limit at the boundary or infinity.
        z: Where that is.
        last: The largest distance.
    """

    def __init__(
        self, curves: Curves, near: NearBoundary | None, examine: Callable[[float], Peak]
    ) -> None:
        self.curves, self.near, self._examine = curves, near, examine
        self.heights: dict[float, float] = {}
        self.lower, self.z = 1.0, None
        if near and near.limit > 1:
            self.lower, self.z = near.limit, near.z
        self._queue: list[_Segment] = []
        self._insets = near.insets if near else ()
        self._gains: dict[tuple[int, float], float] = {}

    @property
    def highest(self) -> _Segment:
        """The interval with the highest bound."""
        return self._queue[0]

    def start(self, xs: list[float]) -> None:
        """Examine first curves, ascending."""
        for x in xs:
            self._look(x)
        self.last = xs[-1]
        for x1, x2 in pairwise([0.0, *xs] if self.near else xs):
            self._add(x1, x2)

    def extend(self, x: float) -> None:
        """Examine a curve beyond the last."""
        self._look(x)
        self._add(self.last, x)
        self.last = x

    def divide(self) -> None:
        """Lower the highest bound: by another inset, or by a curve where it is attained."""
        segment = heapq.heappop(self._queue)
        if self._may_lower(segment):
            heapq.heappush(self._queue, self._lowered(segment))
            return
        x = _inside(segment.x1, segment.x2, segment.bound.x)
        self._look(x)
        self._add(segment.x1, x)
        self._add(x, segment.x2)

    def _look(self, x: float) -> None:
        peak = self._examine(x)
        if x * peak.lower > self.lower:
            self.lower, self.z = x * peak.lower, peak.z
        self.heights[x] = peak.upper
        if self.near:  # close to the boundary the expansion is sharper than float64
            self.heights[x] = min(peak.upper, self.near.limit / x + self.near.slope)

    def _add(self, x1: float, x2: float) -> None:
        if x1 == 0 and self.near:
            bound = Chord(x2 / 8, self.near.limit + self.near.slope * x2)
        else:
            M1, M2 = self.heights[x1], self.heights[x2]
            bound = self.curves.chord(x1, M1, x2, M2)
            bound = min(bound, _concave(x1, M1, x2, M2), key=_height)
        segment = _Segment(-bound.height, x1, x2, bound, 0)
        heapq.heappush(self._queue, segment)

    def _may_lower(self, segment: _Segment) -> bool:
        """Return whether the next inset could give a lower bound."""
        if segment.insets >= len(self._insets):
            return False
        inset = self._insets[segment.insets]
        width = segment.x2 - segment.x1
        short = width <= _SHORT * (segment.x1 + inset.depth) or segment.insets == 0
        return segment.x2 <= inset.reach and short

    def _lowered(self, segment: _Segment) -> _Segment:
        """Return the segment with the lower one of two bounds."""
        _, x1, x2, bound, i = segment
        inset = self._insets[i]
        q = inset.stretch(x2)
        if q > 0:
            M1, M2 = (q * self._gain(i, x) for x in (x1, x2))
            other = self.curves.chord(x1, M1, x2, M2, depth=inset.depth / q)
            bound = min(bound, other, key=_height)
        return _Segment(-bound.height, x1, x2, bound, i + 1)

    def _gain(self, i: int, x: float) -> float:
        if (i, x) not in self._gains:
            self._gains[i, x] = self._insets[i].maximum(x=x).upper
        return self._gains[i, x]


def _concave(x1: float, M1: float, x2: float, M2: float) -> Chord:
    """Return the maximum over ``[x1, x2]`` of ``x M(x)``, ``1/M² − x²`` on its chord.

    There ``1 / (x M)² = 1 + b y + c y²`` with ``y = 1/x``.
    """
    if x1 == 0:
        return Chord(x1, math.inf)
    slope = (1 / M2**2 - 1 / M1**2) / (x2 - x1)
    b, c = slope - x1 - x2, 1 / M1**2 + x1 * x2 - slope * x1
    y = min(max(-b / (2 * c) if c > 0 else math.inf, 1 / x2), 1 / x1)
    least = min(1 + b * y + c * y**2, 1 / (x1 * M1) ** 2, 1 / (x2 * M2) ** 2)
    return Chord(1 / y, least**-0.5 if least > 0 else math.inf)


def _height(bound: Chord) -> float:
    return bound.height


def _inside(x1: float, x2: float, x: float) -> float:
    """Return x moved away from the ends of the interval."""
    if x1 == 0:
        return min(max(x, 0.01 * x2), 0.9 * x2)
    margin = (x2 / x1) ** _EDGE
    return min(max(x, x1 * margin), x2 / margin)
