"""The Kreiss constant between two bounds, by three circles.

``M(x)``, the largest resolvent norm on the curve at distance x, is log-convex in the curve's
coordinate. So between two curves it lies below its chord, and the maximum of ``x M(x)`` under
the chord is explicit: an upper bound on every interval, closed by a tail beyond the numerical
range. The curve at the highest bound is examined next, until the bounds meet the best value.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from passband.transients.dense.level_sets import Chord, Curves, Peak
from passband.transients.dense.marginal import Inset, NearBoundary

_FEWEST = 1e-9  # relative width of an interval that is not divided any more
_EDGE = 0.05  # of an interval, in its logarithm: kept between a new curve and the old ones


class Bracket(NamedTuple):
    """``lower ≤ K ≤ upper``; z nearly attains the lower bound, None if infinity does."""

    lower: float
    upper: float
    z: complex | None
    evaluations: int


class _Segment(NamedTuple):
    """What lies between two examined distances: the bound, and where it is attained."""

    x1: float
    x2: float
    bound: Chord


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
    examine = maximum or curves.maximum
    peaks = {x: examine(x) for x in curves.grid(outside) if x > 0 or near is None}
    inset: dict[float, Peak] = {}
    most = 200 + 8000 // len(curves.A)
    while True:
        xs = sorted(peaks)
        candidates = [(x * peaks[x].lower, peaks[x].z) for x in xs]
        candidates += [(1.0, None), (near.limit, near.z) if near else (0.0, None)]
        lower, z = max(candidates, key=lambda pair: pair[0])
        x1, x2, highest = max(
            _segments(curves, peaks, near, inset), key=lambda segment: segment.bound.height
        )
        tail = curves.tail(xs[-1], outside)
        found = Bracket(lower, max(highest.height, tail, lower), z, curves.evaluations)
        if found.upper <= (1 + rtol) * lower or len(peaks) >= most:
            return found
        if tail >= highest.height:
            target = curves.tail_start(lower * (1 + rtol / 2), outside)
            x = min(max(3 * xs[-1], target), 1e3 * xs[-1])
        elif x1 > 0 and x2 <= x1 * (1 + _FEWEST):
            return found
        else:
            x = _inside(x1, x2, highest.x)
        peaks[x] = examine(x)


def _segments(
    curves: Curves,
    peaks: dict[float, Peak],
    near: NearBoundary | None,
    inset: dict[float, Peak],
) -> list[_Segment]:
    """Return all intervals between examined curves, from the boundary on."""
    xs = sorted(peaks)
    heights = {x: peaks[x].upper for x in xs}
    if near:
        for x in xs:  # close to the boundary the expansion is sharper than float64
            heights[x] = min(heights[x], near.limit / x + near.slope)
    segments = [
        _Segment(x1, x2, curves.chord(x1, heights[x1], x2, heights[x2])) for x1, x2 in pairwise(xs)
    ]
    if near is None:
        return segments
    first = near.limit + near.slope * xs[0]
    segments.insert(0, _Segment(0.0, xs[0], Chord(xs[0] / 8, first)))
    if near.inset is None:
        return segments
    for x in [0.0, *xs]:
        if x not in inset and x <= 2 * near.inset.depth:
            inset[x] = near.inset.maximum(x=x)
    return [
        _lower(segment, curves, near.inset, inset) if segment.x2 in inset else segment
        for segment in segments
    ]


def _lower(segment: _Segment, curves: Curves, bound: Inset, peaks: dict[float, Peak]) -> _Segment:
    """Return the segment with the lower one of two bounds."""
    x1, x2, chord = segment
    q = bound.stretch(x2)
    if not q > 0:
        return segment
    other = curves.chord(x1, q * peaks[x1].upper, x2, q * peaks[x2].upper, depth=bound.depth / q)
    return segment if chord.height <= other.height else segment._replace(bound=other)


def _inside(x1: float, x2: float, x: float) -> float:
    """Return x moved away from the ends of the interval."""
    if x1 == 0:
        return min(max(x, 0.01 * x2), 0.9 * x2)
    margin = (x2 / x1) ** _EDGE
    return min(max(x, x1 * margin), x2 / margin)
