"""All real roots of a polynomial that is given by its values.

The half-lines are cut into contiguous intervals that grow geometrically away from zero, so a
root has the same relative accuracy wherever it lies. On each the polynomial is interpolated at
Chebyshev nodes, exactly for its degree; the roots are eigenvalues of the colleague matrix.
"""

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy import ndarray
from numpy.polynomial import chebyshev
from scipy.optimize import brentq

Function = Callable[[ndarray], ndarray]

LARGEST_DEGREE = 400

_SMALLEST, _LARGEST = -40.0, 30.0  # binary orders of the scale between 0 and infinity
_OCTAVES = 16.0  # values of a polynomial may grow by 2¹⁶ over one interval
_VANISHES = 1e-14  # a condition below this everywhere near the scale is zero identically
_SAME = 1e-7  # relative: roots this close are one double root, split by rounding
_NODES = 32  # polynomials of higher degree are resolved by cutting intervals, not by more nodes
_RESOLVED = 1e-13  # relative: the last coefficients of an interval that needs no cutting
_SPLITS = 12  # times an interval may be cut in two
_CONSTANT = 1e-13  # an affine function that changes less than this has no root


def real_roots(function: Function, *, degree: int, scale: float) -> list[float] | None:
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
    ends = np.concatenate([-positive[::-1], positive])
    left, right = ends[:-1], ends[1:]

    roots: list[float] = []
    seen = 0.0
    for _ in range(_SPLITS):
        middle, half = (right + left) / 2, (right - left) / 2
        values = function((middle[:, None] + half[:, None] * nodes).ravel())
        values = values.reshape(len(middle), -1)
        values[~np.isfinite(values).all(axis=1)] = 0.0  # beyond double precision: far outside
        size = np.abs(values).max(axis=1, keepdims=True)
        seen = max(seen, float(size[np.abs(middle) < 4 * scale].max(initial=0.0)))
        if seen < _VANISHES:
            return None
        coefficients = chebyshev_coefficients(values / np.where(size > 0, size, 1.0))
        rest = np.abs(coefficients[:, 1:]).sum(axis=1)
        may_vanish = (np.abs(coefficients[:, 0]) <= rest * (1 + 1e-9)) & (size[:, 0] > 0)
        coarse = np.abs(coefficients[:, -2:]).max(axis=1) > _RESOLVED
        coarse &= may_vanish & (degree > _NODES)
        for index in np.flatnonzero(may_vanish & ~coarse):
            for root in roots_inside(coefficients[index]):
                mu = float(middle[index] + half[index] * root)
                roots.append(0.0 if abs(mu) <= positive[0] else mu)
        if not coarse.any():
            break
        left, right = (
            np.concatenate([left[coarse], middle[coarse]]),
            np.concatenate([middle[coarse], right[coarse]]),
        )
    return [polish(function, root) for root in _merged(roots)]


def polish(function: Function, root: float, *, widest: float = 1e-9) -> float:
    """Return a simple root to the last digit; leave a root without change of sign as it is.

    Args:
        function: Changes its sign at the root.
        root: Approximate.
        widest: Largest relative distance at which a change of sign is looked for.
    """

    def value(at: float) -> float:
        return float(function(np.array([at]))[0])

    width = 1e-13
    while width <= widest * 1.001:
        left, right = root - width * abs(root), root + width * abs(root)
        if value(left) * value(right) < 0:
            rtol = 4 * float(np.finfo(np.float64).eps)
            return float(brentq(value, left, right, xtol=1e-300, rtol=rtol))  # pyright: ignore[reportArgumentType]
        width *= 100
    return root


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
            return []
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
