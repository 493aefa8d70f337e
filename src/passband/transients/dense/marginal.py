"""The Kreiss function next to semisimple eigenvalues on the boundary of stability.

There the resolvent is ``R(z) = Σ Π_j / (z − λ_j) + G(z)``: it has poles on the first circle, and
three circles cannot start from it. The poles are divided out, and others put inside, by

    1 / h(z) = 1 + Σ d_j ℓ_j / (z − λ_j),   ℓ_j = λ_j (1 for a flow),

so that ``H = max |h| ‖R‖`` on circles is log-convex and finite from the boundary on. At distance
x the Kreiss function is at most ``x max|1/h| · H``, and ``x max|1/h| ≤ depth + x · stretch``; at
``x = 0`` that is the largest ``‖Π_j‖``, to which the Kreiss function tends at the eigenvalue.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from passband._shapes import Complex, Float, Num
from passband.transients.dense.boundary import Stability, complement, distances
from passband.transients.dense.gain import System, largest_gain
from passband.transients.dense.level_sets import Peak
from passband.transients.dense.matrices import Time, norm

_HALVINGS = 10
_LARGEST = 300  # states of the system whose gain is needed
_FINER = (1, 1 / 4, 1 / 16, 1 / 64)  # depths of the insets, relative to the deepest
_REACH = 8  # of an inset, in its depth
_POLISHED, _GOLDEN = 30, (math.sqrt(5) - 1) / 2  # golden sections of an angle


class Inset(NamedTuple):
    """Another upper bound of the Kreiss function, ``(depth + x stretch(x)) · maximum(x)``.

    ``stretch`` does not decrease, and is known up to ``x = reach``.
    """

    depth: float
    reach: float
    stretch: Callable[[float], float]
    maximum: Callable[..., Peak]


class NearBoundary(NamedTuple):
    """What the Kreiss function does next to eigenvalues on the boundary.

    Attributes:
        limit: Its limit at the eigenvalue z, the largest norm of a spectral projector.
        slope: It is at most ``limit + slope · x`` at distance x.
        z: An eigenvalue on the boundary.
        insets: Sharper bounds, the deeper ones first: they allow longer intervals near the
            boundary, the others are sharper away from it. None at all if they would be too large
            systems, or not be sharp.
    """

    limit: float
    slope: float
    z: complex
    insets: tuple[Inset, ...]


class _Poles(NamedTuple):
    """Eigenvalues on the boundary, their directions ``ℓ`` and their projectors."""

    values: Complex[ndarray, " m"]
    directions: Complex[ndarray, " m"]
    projectors: Num[ndarray, "m n n"]


def near_boundary(
    side: Stability, A: Num[ndarray, "n n"], time: Time, *, rtol: float
) -> NearBoundary:
    """Return the expansion of the Kreiss function at the eigenvalues on the boundary."""
    values = np.array([value for value, _ in side.projectors])
    projectors = np.stack([projector for _, projector in side.projectors])
    directions = values if time == "discrete" else np.ones_like(values)
    poles = _Poles(values, directions, projectors)
    sizes = np.array([norm(projector) for projector in projectors])
    slope = _crowding(values) * float(sizes.sum())
    rest = complement(A, side.projectors)
    if rest is None:  # nothing is damped
        rest = System(np.full((1, 1), -0.5), np.zeros((1, len(A))), np.zeros((len(A), 1)))
    else:
        slope += largest_gain(rest, time).upper
    insets: tuple[Inset, ...] = ()
    if len(A) * (len(values) + 1) <= _LARGEST:
        insets = _insets(rest, poles, time, enough=(1 + rtol / 4) * float(sizes.max()))
    return NearBoundary(float(sizes.max()), slope, complex(values[sizes.argmax()]), insets)


def _crowding(values: Complex[ndarray, " m"]) -> float:
    """Return q such that ``Σ x / |z − λ_j| ≤ 1 + q x`` at distance x."""
    if len(values) == 1:
        return 0.0
    apart = np.abs(values[:, None] - values) + np.diag(np.full(len(values), np.inf))
    return 2 * (len(values) - 1) / float(apart.min())  # one is near, the others half as far


def _insets(rest: System, poles: _Poles, time: Time, *, enough: float) -> tuple[Inset, ...]:
    """Return the deepest inset whose bound on the boundary is the limit, and finer ones."""
    size = norm(rest.A) or float(np.abs(poles.values).max()) or 1.0
    depth = 0.5 if time == "discrete" else 0.5 * size
    drifts = _drifts(rest, poles)

    def at(depth: float) -> tuple[Complex[ndarray, " m"], System] | None:
        d = _strengths(poles, drifts, depth)
        system = _moved(rest, poles, d)
        inside = (distances(np.linalg.eigvals(system.A), time) < 0).all()
        return (d, system) if inside else None

    for _ in range(_HALVINGS):
        found = at(depth)
        if found and depth * largest_gain(found[1], time).upper <= enough:
            several = [at(depth * part) for part in _FINER]
            return tuple(_inset(poles, *one, time) for one in several if one)
        depth /= 2
    return ()


def _inset(poles: _Poles, d: Complex[ndarray, " m"], system: System, time: Time) -> Inset:
    depth = float(np.abs(d).max())
    return Inset(
        depth, _REACH * depth, _stretch(poles, d, time), partial(largest_gain, system, time)
    )


def _drifts(rest: System, poles: _Poles) -> Float[ndarray, " m"]:
    """Return how ``‖(z − λ_j) R‖`` changes along the boundary at its eigenvalues, relatively."""
    A, B, C = rest
    drifts: list[float] = []
    for j, value in enumerate(poles.values):
        regular = C @ np.linalg.solve(value * np.eye(len(A)) - A, B)
        others = np.arange(len(poles.values)) != j
        pulls = poles.projectors[others] / (value - poles.values[others])[:, None, None]
        u, s, vh = np.linalg.svd(poles.projectors[j])
        along = u[:, 0].conj() @ (regular + pulls.sum(axis=0)) @ vh[0].conj()
        drifts.append(float((poles.directions[j] * along).imag) / float(s[0]))
    return np.array(drifts)


def _strengths(poles: _Poles, drifts: Float[ndarray, " m"], depth: float) -> Complex[ndarray, " m"]:
    """Return ``d_j``, the largest of modulus ``depth``.

    Moduli go with ``√‖Π_j‖``, so that ``max|1/h|`` and ``max |h| ‖R‖`` are both attained at the
    largest projector. Phases are such that ``‖h R‖`` is stationary at each pole along the
    boundary, where h drifts by ``Im (1 + Σ_i d_i ℓ_i / (λ_j − λ_i)) / d_j``.
    """
    apart = poles.values[:, None] - poles.values + np.diag(np.full(len(drifts), np.inf))
    pulls = poles.directions / apart
    sizes = np.linalg.norm(poles.projectors, ord=2, axis=(-2, -1))
    moduli = depth * np.sqrt(sizes / sizes.max())
    d = moduli.astype(np.complex128)
    for _ in range(20):
        turns = drifts - (pulls @ d / d).imag
        d = moduli * np.exp(-1j * np.arcsin(np.clip(moduli * turns, -1, 1)))
    return d


def _stretch(poles: _Poles, d: Complex[ndarray, " m"], time: Time) -> Callable[[float], float]:
    """Return ``x ↦ q`` with ``x' max|1/h| ≤ depth + q x'`` for all ``x' ≤ x``.

    An explicit function of one complex variable, looked at on a grid that is fine at the poles,
    then next to the best points of the grid.
    """
    depth = float(np.abs(d).max())
    x = depth * np.geomspace(1e-5, _REACH, 160)[:, None]
    fine = np.geomspace(1e-3, 1e4, 240)
    offsets = np.concatenate([-fine[::-1], np.zeros(1), fine])

    def excess(value: complex, offset: Float[ndarray, "k m"]) -> Float[ndarray, "k m"]:
        """Return ``|1/h| − depth/x`` at angles (frequencies) next to an eigenvalue."""
        if time == "discrete":
            z = (1 + x) * np.exp(1j * (np.angle(value) + x * offset))
        else:
            z = x + 1j * (value.imag + x * offset)
        inverse = np.ones_like(z)
        for pole, direction, strength in zip(poles.values, poles.directions, d, strict=True):
            inverse += strength * direction / (z - pole)
        return np.abs(inverse) - depth / x

    steepest = np.full(len(x), -np.inf)
    for value in poles.values.tolist():
        best = excess(value, offsets[None, :]).argmax(axis=1)
        low = offsets[np.maximum(best - 1, 0)]
        high = offsets[np.minimum(best + 1, len(offsets) - 1)]
        for _ in range(_POLISHED):
            inner = _GOLDEN * (high - low)
            left, right = excess(value, np.stack([high - inner, low + inner], axis=1)).T
            low, high = np.where(left > right, [low, low + inner], [high - inner, high])
        peak = excess(value, (low + high)[:, None] / 2)[:, 0]
        steepest = np.maximum(steepest, peak)
    steepest = np.maximum.accumulate(steepest)
    steepest += 1e-6 * np.abs(steepest)
    distance = x[:, 0]
    return lambda x: float(steepest[min(np.searchsorted(distance, x), len(steepest) - 1)])


def _moved(rest: System, poles: _Poles, d: Complex[ndarray, " m"]) -> System:
    """Return ``h(z) R(z)`` as a system: R with its poles on the boundary moved inside.

    A loop around the integrators ``ξ_j = ℓ_j e / (z − λ_j)`` turns the input u into
    ``e = u − Σ d_j ξ_j = h u``; the output is ``Σ Π_j ξ_j / ℓ_j + G e``.
    """
    A, B, C = rest
    values, directions, projectors = poles
    identity, m = np.eye(projectors.shape[1]), len(values)
    loop = np.kron(np.diag(values) - np.outer(directions, d), identity)
    feedback = -B @ np.kron(d[None, :], identity)
    moved = System(
        np.block([[loop, np.zeros((len(loop), len(A)))], [feedback, A]]),
        np.vstack([np.kron(directions[:, None], identity), B]),
        np.hstack([*(projectors[j] / directions[j] for j in range(m)), C]),
    )
    if any(np.imag(part).any() for part in moved):
        return moved
    return System(*(np.real(part) for part in moved))
