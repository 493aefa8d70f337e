"""The complete edge finder: every curvature at which a multiplier can cross the unit circle.

A multiplier z of M(μ) can reach the unit circle in three ways only, and each is the root of a
polynomial in μ::

    z = +1                det(M − I) = 0
    z = −1                det(M + I) = 0
    a pair z·z̄ = 1       det(C₂(M) − I) = 0,   C₂ the second compound: eigenvalues zᵢ zⱼ, i < j

Together they are the condition det(M⊗M − I) = 0 without its double roots. Each polynomial is
interpolated, exactly for its degree, at the Chebyshev nodes of contiguous intervals that grow
geometrically away from zero on both half-lines; its real roots there are eigenvalues of the
colleague matrix. Between consecutive roots nothing can change, so one point decides each gap.
"""

import cmath
import math
from collections.abc import Callable
from itertools import combinations, pairwise
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy import ndarray
from numpy.polynomial import chebyshev
from scipy.optimize import brentq

from passband._shapes import Float
from passband.filters.passband import Interval, Passband

_SMALLEST, _LARGEST = -40.0, 30.0  # binary orders of the scale between 0 and infinity
_ADMISSIBLE = 1e-9  # over one, for a radius at a point inside a gap: rounding of `eigvals`
_VANISHES = 1e-14  # a condition below this everywhere near the scale is zero identically
_TOUCHING = 1e-6  # over one, at an isolated point: there multipliers are multiple, error √eps


class Degrees(NamedTuple):
    """Degrees in μ of ``det(M ∓ I)`` and of ``det(C₂(M) − I)``; upper bounds will do."""

    single: int
    pair: int


Condition = Callable[[ndarray], ndarray]


class Crossing(NamedTuple):
    """A curvature at which a multiplier may reach the unit circle, and which condition says so."""

    curvature: float
    condition: int  # 0: z = +1, 1: z = −1, 2: a pair


@runtime_checkable
class Transition(Protocol):
    """``M(μ) − less · I`` for μ of shape ``(k,)``, formed without cancellation where it can be."""

    def __call__(self, mu: ndarray, *, less: float = 0.0) -> ndarray: ...  # noqa: D102


def admissible_set(
    transition: Transition, *, size: int, degrees: Degrees, scale: float
) -> Passband:
    """Return ``{μ real : spectral radius of M(μ) ≤ 1}`` of a polynomial matrix M.

    Args:
        transition: ``(k,) → (k, size, size)``, polynomial in μ.
        size: Number of states.
        degrees: Upper bounds on the degrees of the three conditions.
        scale: A typical curvature, ``1 / lr`` say; right within a factor of a million.
    """

    def drifts(mu: ndarray) -> ndarray:
        return np.linalg.det(transition(mu, less=1.0))

    def alternates(mu: ndarray) -> ndarray:
        return np.linalg.det(transition(mu, less=-1.0))

    def rotates(mu: ndarray) -> ndarray:
        compound = second_compound(transition(mu))
        return np.linalg.det(compound - np.eye(compound.shape[-1]))

    conditions = [drifts, alternates, rotates] if size > 1 else [drifts, alternates]
    candidates: list[Crossing] = []
    for index, condition in enumerate(conditions):
        degree = degrees.pair if index == 2 else degrees.single
        for root in real_roots(condition, degree=degree, scale=scale):
            candidates.append(Crossing(_polish(condition, root), index))  # noqa: PERF401
    return _assemble(transition, _distinct(candidates), scale=scale)


def second_compound(M: Float[ndarray, "*batch s s"]) -> Float[ndarray, "*batch p p"]:
    """Return the matrix of 2×2 minors of M; its eigenvalues are ``zᵢ zⱼ`` for i < j."""
    rows, columns = np.array(list(combinations(range(M.shape[-1]), 2))).T
    r, q = rows[:, None], columns[:, None]
    return M[..., r, rows] * M[..., q, columns] - M[..., r, columns] * M[..., q, rows]


def real_roots(function: Condition, *, degree: int, scale: float) -> list[float]:
    """Return the real roots of a polynomial given by its values, multiple ones included.

    Close pairs of complex roots come back too, as their real part: a double root looks like
    one. A polynomial that vanishes identically has none. Cost: about ``70 · (degree + 1)``
    values for degrees up to 8, in one call.
    """
    if degree == 0:
        return []
    nodes, to_coefficients = _chebyshev(degree)
    growth = min(2.0, 16.0 / degree)  # binary orders spanned by one interval
    positive = scale * np.exp2(np.arange(_SMALLEST, _LARGEST + growth, growth))
    ends = np.concatenate([-positive[::-1], positive])
    middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2

    values = function((middle[:, None] + half[:, None] * nodes).ravel()).reshape(len(middle), -1)
    size = np.abs(values).max(axis=1, keepdims=True)
    if size[np.abs(middle) < 4 * scale].max() < _VANISHES:
        return []
    coefficients = (values / np.where(size > 0, size, 1.0)) @ to_coefficients.T
    rest = np.abs(coefficients[:, 1:]).sum(axis=1)
    may_vanish = (np.abs(coefficients[:, 0]) <= rest * (1 + 1e-9)) & (size[:, 0] > 0)

    roots: list[float] = []
    for index in np.flatnonzero(may_vanish):
        for root in _roots_inside(coefficients[index]):
            mu = float(middle[index] + half[index] * root)
            roots.append(0.0 if abs(mu) <= positive[0] else mu)
    return roots


def _chebyshev(degree: int) -> tuple[ndarray, ndarray]:
    """Return the nodes of the first kind, and the matrix from values there to coefficients."""
    nodes = np.polynomial.chebyshev.chebpts1(degree + 1)
    to_coefficients = chebyshev.chebvander(nodes, degree).T * (2.0 / (degree + 1))
    to_coefficients[0] /= 2
    return nodes, to_coefficients


def _roots_inside(coefficients: ndarray) -> ndarray:
    """Return the nearly real roots in [-1, 1] of a Chebyshev series, as real numbers."""
    significant = np.flatnonzero(np.abs(coefficients) > 1e-15 * np.abs(coefficients).max())
    if not len(significant) or significant[-1] == 0:
        return np.empty(0)
    roots = chebyshev.chebroots(coefficients[: significant[-1] + 1])
    near = (np.abs(roots.imag) < 1e-3) & (np.abs(roots.real) < 1 + 1e-6)
    return np.real(roots[near])


def _polish(condition: Condition, mu: float) -> float:
    """Return a simple root to the last digit; leave a root without change of sign as it is."""

    def value(at: float) -> float:
        return float(condition(np.array([at]))[0])

    for width in (1e-13, 1e-10, 1e-7, 1e-4):
        left, right = mu - width * abs(mu), mu + width * abs(mu)
        if value(left) * value(right) < 0:
            rtol = 4 * float(np.finfo(np.float64).eps)
            return float(brentq(value, left, right, xtol=1e-300, rtol=rtol))  # pyright: ignore[reportArgumentType]
    return mu


def _distinct(crossings: list[Crossing]) -> list[Crossing]:
    """Return the crossings in ascending order, each one once."""
    kept: list[Crossing] = []
    for crossing in sorted(crossings):
        mu = crossing.curvature
        if not kept or abs(mu - kept[-1].curvature) > 1e-13 * abs(mu):
            kept.append(crossing)
    return kept


def _assemble(transition: Transition, crossings: list[Crossing], *, scale: float) -> Passband:
    """Return the gaps, and the touching points, at which the radius is at most one."""
    points = [crossing.curvature for crossing in crossings]
    outermost = max([scale, *map(abs, points)])
    ends = [-math.inf, *points, math.inf]
    inner = np.array(
        [
            (max(left, -4 * outermost) + min(right, 4 * outermost)) / 2
            for left, right in pairwise(ends)
        ]
    )
    inside = _radius(transition, inner) <= 1 + _ADMISSIBLE
    touching = _radius(transition, np.array(points)) <= 1 + _TOUCHING if points else []
    exits = [None, *(_exit(transition, crossing) for crossing in crossings), None]
    parts = [
        Interval(ends[i], ends[i + 1], lower_exit=exits[i], upper_exit=exits[i + 1])
        for i in np.flatnonzero(inside)
    ]
    parts += [
        Interval(p, p, lower_exit=exits[i + 1], upper_exit=exits[i + 1])
        for i, p in enumerate(points)
        if touching[i] and not inside[i] and not inside[i + 1]
    ]
    return Passband.union(parts)


def _radius(transition: Transition, mu: ndarray) -> ndarray:
    return np.abs(np.linalg.eigvals(transition(mu))).max(axis=-1)


def _exit(transition: Transition, crossing: Crossing) -> complex:
    """Return the multiplier that is on the unit circle at a crossing."""
    if crossing.condition < 2:
        return (1.0 + 0j, -1.0 + 0j)[crossing.condition]
    multipliers = np.linalg.eigvals(transition(np.array([crossing.curvature])))[0]
    nearest = multipliers[np.argmin(np.abs(np.abs(multipliers) - 1))]
    return cmath.exp(1j * abs(cmath.phase(complex(nearest))))
