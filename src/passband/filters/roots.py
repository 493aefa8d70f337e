"""All real roots of a polynomial that is given by its values.

The half-lines are cut into contiguous intervals that grow geometrically away from zero, so a
root has the same relative accuracy wherever it lies. On each the polynomial is interpolated at
Chebyshev nodes, exactly for its degree; the roots are eigenvalues of the colleague matrix.
"""

import math
from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np
from numpy import ndarray
from numpy.polynomial import chebyshev

from passband._shapes import Bool, Float

Function = Callable[[ndarray], ndarray]

LARGEST_DEGREE = 400

_SMALLEST, _LARGEST = -40.0, 30.0  # binary orders of the scale between 0 and infinity
_OCTAVES = 16.0  # values of a polynomial may grow by 2¹⁶ over one interval
_VANISHES = 1e-14  # a condition below this everywhere near the scale is zero identically
_ROUNDING = 1e-12  # of the terms that cancel
_SAME = 1e-7  # relative: roots this close are one double root, split by rounding
_NODES = 32  # polynomials of higher degree are resolved by cutting intervals, not by more nodes
_RESOLVED = 1e-13  # relative: the last coefficients of an interval that needs no cutting
_STEEP = 1e4  # ratio of values over an interval that leaves twelve digits
_SPLITS = 12  # times an interval may be cut in two
_CONSTANT = 1e-13  # an affine function that changes less than this has no root


def real_roots(
    function: Function,
    *,
    degree: int,
    scale: float,
    only: Literal["all", "below"] = "all",
    rounding: Function | None = None,
) -> list[float] | None:
    """Return the real roots of a polynomial in ascending order, or None if it is zero.

    A multiple root comes back once. So does a close pair of complex roots, as its real part: it
    cannot be told from a double root. An affine polynomial is solved at any size of its root;
    otherwise roots below ``2⁻⁴⁰ scale`` are returned as 0, and those above ``2³⁰ scale`` are not
    found. Cost: about ``70 · (degree + 1)`` values for degrees up to 8, in one call.
    """
    if degree > LARGEST_DEGREE:
        raise ValueError(
            f"the edge finder goes up to polynomial degree {LARGEST_DEGREE}; this filter has "
            f"{degree}. Describe a long schedule by its phases instead: each is a filter."
        )
    if degree <= 1:
        return _affine_root(function, scale=scale)
    nodes = chebyshev_nodes(min(degree, _NODES))
    growth = min(2.0, _OCTAVES / degree)  # binary orders spanned by one interval
    positive = scale * np.exp2(np.arange(_SMALLEST, _LARGEST + growth, growth))
    if only == "below":
        ends = np.append(positive[positive < scale], scale)
    else:
        ends = np.concatenate([-positive[::-1], positive])
    left, right = ends[:-1], ends[1:]

    roots: list[float] = []
    unresolved = left[:0], right[:0]
    seen = 0.0
    for _ in range(_SPLITS):
        middle, half = (right + left) / 2, (right - left) / 2
        values = function((middle[:, None] + half[:, None] * nodes).ravel())
        values = values.reshape(len(middle), -1)
        values[~np.isfinite(values).all(axis=1)] = 0.0  # beyond double precision: far outside
        size = np.abs(values).max(axis=1, keepdims=True)
        if rounding is not None:
            terms = np.minimum(rounding(left), rounding(right))  # at the calmer end
            terms = np.nan_to_num(terms, nan=math.inf)
            values[size[:, 0] <= _ROUNDING * terms] = 0.0
            size = np.abs(values).max(axis=1, keepdims=True)
        seen = max(seen, float(size[np.abs(middle) < 4 * scale].max(initial=0.0)))
        if seen < _VANISHES:
            return None
        coefficients = chebyshev_coefficients(values / np.where(size > 0, size, 1.0))
        rest = np.abs(coefficients[:, 1:]).sum(axis=1)
        may_vanish = np.abs(coefficients[:, 0]) <= rest * (1 + 1e-9)
        coarse = (np.abs(coefficients[:, -2:]).max(axis=1) > _RESOLVED) & (degree > _NODES)
        # the interval around 0 is narrower than anything in it could be told apart
        coarse = may_vanish & (coarse | _steep(values)) & (np.abs(middle) > positive[0])
        for index in np.flatnonzero(may_vanish & ~coarse):
            for root in roots_inside(coefficients[index]):
                mu = float(middle[index] + half[index] * root)
                roots.append(0.0 if abs(mu) <= positive[0] else mu)
        if not coarse.any():
            break
        unresolved = left[coarse], right[coarse]
        left, right = (
            np.concatenate([left[coarse], middle[coarse]]),
            np.concatenate([middle[coarse], right[coarse]]),
        )
    else:
        roots.extend(_changes_of_sign(function, *unresolved))
    return polish(function, np.array(_merged(roots))).tolist()


def _changes_of_sign(function: Function, left: ndarray, right: ndarray) -> list[float]:
    """Return the middles of intervals at whose ends a function has different signs."""
    signs = np.sign(function(left)) * np.sign(function(right))  # NaN where it overflows
    return ((left + right) / 2)[signs < 0].tolist()


def _steep(values: Float[ndarray, "i d"]) -> Bool[ndarray, " i"]:
    """Return on which intervals values differ so much that the small ones have lost digits."""
    if values.shape[1] < 6:
        return np.zeros(len(values), dtype=np.bool_)
    parts = np.stack([np.abs(p).max(axis=1) for p in np.array_split(values, 3, axis=1)], axis=1)
    return parts.max(axis=1) > _STEEP * parts.min(axis=1)


def polish(function: Function, roots: Float[ndarray, " k"]) -> Float[ndarray, " k"]:
    """Return simple roots to the last digit, by bisection of all at once.

    A root without a change of sign within 1e-4 of it is left as it is.
    """
    lower, upper = roots.copy(), roots.copy()
    rising = np.zeros(len(roots))
    for width in (1e-13, 1e-10, 1e-7, 1e-4):
        open_ = rising == 0
        if not open_.any():
            break
        reach = width * np.abs(roots[open_])
        left, right = roots[open_] - reach, roots[open_] + reach
        signs = np.sign(function(left)), np.sign(function(right))
        found = signs[0] * signs[1] < 0
        lower[open_] = np.where(found, left, roots[open_])
        upper[open_] = np.where(found, right, roots[open_])
        rising[open_] = np.where(found, signs[1], 0.0)
    middle = (lower + upper) / 2
    while (apart := (lower < middle) & (middle < upper)).any():
        above = np.zeros(len(roots), dtype=np.bool_)
        above[apart] = np.sign(function(middle[apart])) * rising[apart] > 0
        upper = np.where(apart & above, middle, upper)
        lower = np.where(apart & ~above, middle, lower)
        middle = (lower + upper) / 2
    return middle


def _merged(roots: Iterable[float]) -> list[float]:
    """Return the roots in ascending order, those that rounding has split put together again."""
    clusters: list[list[float]] = []
    for root in sorted(roots):
        if clusters and root - clusters[-1][0] <= _SAME * abs(root):
            clusters[-1].append(root)
        else:
            clusters.append([root])
    return [math.fsum(cluster) / len(cluster) for cluster in clusters]


def _affine_root(function: Function, *, scale: float) -> list[float] | None:
    """Return the root of an affine function, refined where it lies."""
    reach = scale
    for first in (True, False, False):
        low, zero, high = function(np.array([-reach, 0.0, reach])).tolist()
        if first and max(map(abs, (low, zero, high))) < _VANISHES:
            return None
        slope = (high - low) / 2
        if abs(slope) <= _CONSTANT * abs(zero):
            return [] if first else [0.0]  # nearer to 0 than rounding tells
        reach *= abs(zero / slope)
        if reach == 0:
            break
    return [math.copysign(reach, -zero / slope) if reach else 0.0]


def chebyshev_nodes(degree: int) -> ndarray:
    """Return the ``degree + 1`` nodes of the first kind in (−1, 1)."""
    return np.polynomial.chebyshev.chebpts1(degree + 1)


def chebyshev_coefficients(values: ndarray) -> ndarray:
    """Return the Chebyshev coefficients ``(..., d)`` of the interpolant of values at the nodes."""
    degree = values.shape[-1] - 1
    transform = chebyshev.chebvander(chebyshev_nodes(degree), degree) * (2.0 / (degree + 1))
    transform[:, 0] /= 2
    return values @ transform


def roots_inside(coefficients: ndarray) -> ndarray:
    """Return the nearly real roots in [-1, 1] of a Chebyshev series, as real numbers."""
    significant = np.flatnonzero(np.abs(coefficients) > 1e-15 * np.abs(coefficients).max())
    if not len(significant) or significant[-1] == 0:
        return np.empty(0)
    roots = chebyshev.chebroots(coefficients[: significant[-1] + 1])
    near = (np.abs(roots.imag) < 1e-3) & (np.abs(roots.real) < 1 + 1e-6)
    return np.real(roots[near])
