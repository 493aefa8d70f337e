"""From the places where a multiplier can cross the unit circle to the admissible set.

A multiplier z of M(μ) can reach the circle in three ways only, and each is the zero of a
function of μ that is positive while every multiplier is inside::

    z = +1                det(I − M) = Π (1 − zᵢ)
    z = −1                det(I + M) = Π (1 + zᵢ)
    a pair z·z̄ = 1       det(I − C₂(M)) = Π (1 − zᵢ zⱼ), i < j;   C₂ the second compound

Together they are the condition det(M⊗M − I) = 0 without its double roots. Between consecutive
zeros nothing can change, so the admissible set is a choice of gaps. Where a radius is close to
one the three signs are sharper than an eigenvalue solver.

All is formed from ``E = M − I``, the change in a step, because edges depend on it and forming M
first would lose its digits.
"""

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple, final

import numpy as np
from numpy import ndarray

from passband._shapes import Float, Num
from passband.filters.eigenvalues import spectral_radius
from passband.filters.passband import Interval, Passband
from passband.filters.roots import Function, real_roots

Exit = Literal["+1", "-1", "pair"]
Change = Function
"""``E(μ) = M(μ) − I``: ``(k,) → (k, s, s)``."""

_INSIDE = 1e-10  # over one, for a radius inside a gap: rounding of `eigvals`
_TOUCHING = 1e-6  # over one, at an isolated point: there multipliers are multiple, error √eps
_ROUNDING = 1e-14  # of a condition, whose terms are of order one where multipliers are
_NEAR = 1e-6  # relative: a condition with a zero this close has no sign
_LARGE = 1e3  # size of M − I
_SPLIT = 1e-10  # relative width of a gap that is none
_ACROSS = np.array([0.21, 0.5, 0.83])  # where a gap is looked at


@final
@dataclass(frozen=True, slots=True)
class Condition:
    """One way to reach the circle.

    Attributes:
        exit: The multiplier that reaches it.
        value: Positive while every multiplier is inside; ``(k,) → (k,)``.
        zeros: Where it vanishes, or None where it does so everywhere.
    """

    exit: Exit
    value: Function
    zeros: Sequence[float] | None


class _Crossing(NamedTuple):
    """A curvature at which a multiplier may reach the unit circle, and how."""

    curvature: float
    exit: Exit


def polynomial_conditions(
    change: Change, *, size: int, degree: int, scale: float
) -> list[Condition]:
    """Return the three conditions of an ``M(μ)`` that is polynomial in μ.

    Args:
        change: ``E(μ) = M(μ) − I``.
        size: Number of states s.
        degree: Bound on the degree of every minor of M; ``(s − 1)`` times that bounds the pairs.
        scale: A typical curvature, ``1 / lr`` say; right within a factor of a million.
    """

    def of_one(mu: ndarray) -> ndarray:
        E = change(mu)
        return _if_large(size_ := _perron_root(E), size_ * _largest_minor(E))

    def of_minus_one(mu: ndarray) -> ndarray:
        E = change(mu)
        return _if_large(size_ := _perron_root(E), size_ * _largest_minor(2 * np.eye(size) + E))

    def of_pairs(mu: ndarray) -> ndarray:
        E = change(mu)
        return _if_large(size_ := _perron_root(E), size_**2 * _largest_minor(compound_change(E)))

    ways: list[tuple[Exit, Function, int, Function | None]] = [
        ("+1", drifts(change), degree, of_one if size > 1 else None),
        ("-1", alternates(change), degree, of_minus_one if size > 1 else None),
    ]
    if size > 1:
        ways.append(("pair", rotates(change), degree * (size - 1), of_pairs))
    with np.errstate(over="ignore", invalid="ignore"):
        conditions = [
            Condition(exit, value, real_roots(value, degree=bound, scale=scale, rounding=rounding))
            for exit, value, bound, rounding in ways
        ]
        if conditions[0].zeros is None and size > 1:
            value = others_drift(change)
            zeros = real_roots(value, degree=degree, scale=scale, rounding=of_one)
            conditions[0] = Condition("+1", value, zeros)
    return conditions


def _perron_root(matrices: ndarray) -> ndarray:
    """Return the spectral radius of the absolute values: a norm that no units of slots move."""
    return spectral_radius(np.abs(matrices))


def _largest_minor(matrices: ndarray) -> ndarray:
    """Return the norm of the adjugate: how much a determinant moves with its entries."""
    finite = np.isfinite(matrices).all(axis=(-2, -1))
    minor = np.full(matrices.shape[:-2], math.inf)
    values = np.linalg.svd(matrices[finite], compute_uv=False)
    minor[finite] = values[..., :-1].prod(axis=-1)
    return minor


def _if_large(size: ndarray, terms: ndarray) -> ndarray:
    """Return what cancels in a condition where M is so large that it matters, and 0 elsewhere."""
    return np.where(size > _LARGE, terms, 0.0)


def drifts(change: Change) -> Function:
    """Return ``μ ↦ det(I − M)``."""
    return lambda mu: np.linalg.det(-change(mu))


def others_drift(change: Change) -> Function:
    """Return ``Π (1 − zᵢ)`` without one multiplier that is 1 at every μ, as a sum of minors."""

    def value(mu: ndarray) -> ndarray:
        E = change(mu)
        kept = [np.delete(np.arange(E.shape[-1]), i) for i in range(E.shape[-1])]
        return np.sum([np.linalg.det(-E[:, k[:, None], k]) for k in kept], axis=0)

    return value


def alternates(change: Change) -> Function:
    """Return ``μ ↦ det(I + M)``."""

    def value(mu: ndarray) -> ndarray:
        E = change(mu)
        return np.linalg.det(2 * np.eye(E.shape[-1]) + E)

    return value


def rotates(change: Change) -> Function:
    """Return ``μ ↦ det(I − C₂(M))``."""
    return lambda mu: np.linalg.det(-compound_change(change(mu)))


def compound_change(E: Num[ndarray, "*batch s s"]) -> Num[ndarray, "*batch p p"]:
    """Return ``C₂(I + E) − I``, whose eigenvalues are ``zᵢ zⱼ − 1`` for i < j.

    C₂ is the matrix of 2×2 minors; the linear part is the additive compound of E.
    """
    size = E.shape[-1]
    rows, columns = np.array(list(combinations(range(size), 2))).T
    r, q, k, m = rows[:, None], columns[:, None], rows, columns
    one = np.eye(size)
    linear = (
        one[r, k] * E[..., q, m]
        + E[..., r, k] * one[q, m]
        - one[r, m] * E[..., q, k]
        - E[..., r, m] * one[q, k]
    )
    return linear + E[..., r, k] * E[..., q, m] - E[..., r, m] * E[..., q, k]


def admissible_set(change: Change, conditions: Sequence[Condition]) -> Passband:
    """Return ``{μ real : spectral radius of I + E(μ) ≤ 1}``.

    Args:
        change: ``E(μ) = M(μ) − I``, continuous.
        conditions: All ways to reach the circle. One without zeros in reach may be left out
            where its value is too dear; then gaps are decided by eigenvalues alone.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # overflow is outside, see `_radius`
        return _assembled(change, conditions)


def _assembled(change: Change, conditions: Sequence[Condition]) -> Passband:
    crossings = _distinct(
        sorted(_Crossing(zero, c.exit) for c in conditions for zero in c.zeros or ())
    )
    points = [crossing.curvature for crossing in crossings]
    outermost = max([*map(abs, points)], default=0.0) or 1.0
    ends = [-math.inf, *points, math.inf]
    inside = _admissible_gaps(change, conditions, np.clip(ends, -4 * outermost, 4 * outermost))
    for i in range(1, len(points)):  # rounding has split one crossing: nothing is in between
        if points[i] - points[i - 1] <= _SPLIT * abs(points[i]):
            inside[i] = inside[i - 1] and inside[i + 1]

    def lost_at(end: int) -> complex | None:
        return _exit(change, crossings[end - 1]) if 0 < end < len(ends) - 1 else None

    parts = [
        Interval(ends[i], ends[i + 1], lower_exit=lost_at(i), upper_exit=lost_at(i + 1))
        for i, admitted in enumerate(inside)
        if admitted
    ]
    touching = _radius(change, np.array(points)) <= 1 + _TOUCHING
    parts += [
        Interval(points[i], points[i], lower_exit=lost_at(i + 1), upper_exit=lost_at(i + 1))
        for i, touches in enumerate(touching)
        if touches and not (inside[i] or inside[i + 1]) and _admissible_point(conditions, points[i])
    ]
    return Passband.union(parts)


def _distinct(crossings: list[_Crossing]) -> list[_Crossing]:
    """Return the crossings in ascending order, each one once."""
    kept: list[_Crossing] = []
    for crossing in crossings:
        mu = crossing.curvature
        if not kept or abs(mu - kept[-1].curvature) > 1e-13 * abs(mu):
            kept.append(crossing)
    return kept


def _admissible_gaps(
    change: Change, conditions: Sequence[Condition], ends: Float[ndarray, " k"]
) -> list[bool]:
    """Return whether no multiplier is outside anywhere between two crossings, for each gap."""
    mu = ends[:-1, None] + np.diff(ends)[:, None] * _ACROSS
    radius = _radius(change, mu.ravel()).reshape(mu.shape)
    clearest = np.abs(radius - 1).argmax(axis=1)
    inside = radius[np.arange(len(radius)), clearest] <= 1 + _INSIDE
    for condition in conditions:
        if condition.zeros is not None:
            values = condition.value(mu.ravel()).reshape(mu.shape)
            inside &= ~(np.median(values, axis=1) < -_ROUNDING)
    return inside.tolist()


def _admissible_point(conditions: Sequence[Condition], mu: float) -> bool:
    """Return whether no condition is broken at a crossing between inadmissible gaps."""
    for condition in conditions:
        if condition.zeros is None or any(abs(r - mu) <= _NEAR * abs(mu) for r in condition.zeros):
            continue
        if condition.value(np.array([mu]))[0] < 0:
            return False
    return True


def _radius(change: Change, mu: ndarray) -> ndarray:
    E = change(mu)
    return spectral_radius(E + np.eye(E.shape[-1]))


def _exit(change: Change, crossing: _Crossing) -> complex:
    """Return the multiplier that is on the unit circle at a crossing."""
    if crossing.exit != "pair":
        return complex(float(crossing.exit))
    E = change(np.array([crossing.curvature]))[0]
    multipliers = np.linalg.eigvals(np.eye(len(E)) + E)
    nearest = multipliers[np.argmin(np.abs(np.abs(multipliers) - 1))]
    return cmath.exp(1j * abs(cmath.phase(complex(nearest))))
