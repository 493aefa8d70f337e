"""Eigenvalues on the boundary of stability: outside it, on it and harmless, on it and defective.

A flat direction of a loss puts eigenvalues exactly on the unit circle (the axis, for a flow).
The resolvent is infinite there, but the Kreiss function stays bounded if they are semisimple:
with spectral projectors ``Π_j`` of the eigenvalues ``λ_j`` on the boundary and ``Π`` their sum,

    R(z) = Σ Π_j / (z − λ_j) + R(z)(I − Π),

so that at distance x it is at most ``max ‖Π_j‖ + x · slope``, and tends to ``max ‖Π_j‖``.
"""

import math
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.linalg
from numpy import ndarray

from passband._shapes import Complex, Float, Num
from passband.transients.dense.gain import System
from passband.transients.dense.level_sets import Curves
from passband.transients.dense.matrices import ROUNDING, Time, norm


class Stability(NamedTuple):
    """On which side of the boundary the spectrum is, and what it does there.

    Attributes:
        kind: ``"stable"``: all eigenvalues inside. ``"marginal"``: some on the boundary, all
            semisimple. ``"unstable"``: one outside, or one on the boundary and defective.
            ``"undecided"``: one so close that float64 cannot tell stable from defective.
        z: The outermost eigenvalue.
        projectors: For ``"marginal"``: eigenvalues on the boundary and their projectors.
    """

    kind: Literal["stable", "marginal", "unstable", "undecided"]
    z: complex
    projectors: tuple[tuple[complex, Num[ndarray, "n n"]], ...] = ()


def stability(curves: Curves) -> Stability:
    """Return on which side of the boundary the eigenvalues are, to within rounding.

    Computed eigenvalues are those of a matrix within ``reach`` of A. If no matrix within reach
    has an eigenvalue on the boundary, as many of A's are outside as were computed to be.
    """
    A, n, time = curves.A, len(curves.A), curves.time
    if curves.norm == 0 and time == "continuous":  # a flow that stands still has no scale
        return Stability("marginal", 0j, ((0j, np.eye(n)),))
    scale = max(curves.norm, 1.0 if time == "discrete" else 0.0)
    unit = n * ROUNDING
    reach = 4 * unit * scale
    values, overlaps = _eigenvalues(A, scale)
    outside = distances(values, time)
    z = complex(values[np.argmax(outside)])
    if reach * curves.maximum(0.0).upper < 1:
        return Stability("unstable" if outside.max() > 0 else "stable", z)
    error = 2 * unit * scale / np.maximum(overlaps, unit)
    if (outside > error).any():
        return Stability("unstable", complex(values[np.argmax(outside - error)]))
    blur = np.minimum(error, scale * math.sqrt(unit))
    near = np.abs(outside) <= blur
    if not near.any() or (outside > blur).any():
        return Stability("undecided", z)
    return _on_boundary(A, values[near], time, width=float(blur[near].max()), rounding=reach)


def _eigenvalues(
    A: Num[ndarray, "n n"], scale: float
) -> tuple[Complex[ndarray, " n"], Float[ndarray, " n"]]:
    """Return the eigenvalues, with ``|y*x|`` of their unit left and right eigenvectors."""
    eigensystem: Any = scipy.linalg.eig(A / scale, left=True, right=True)
    values, left, right = eigensystem
    return scale * values, np.abs(np.einsum("ij,ij->j", left.conj(), right))


def _on_boundary(
    A: Num[ndarray, "n n"],
    values: Complex[ndarray, " k"],
    time: Time,
    *,
    width: float,
    rounding: float,
) -> Stability:
    """Return whether the eigenvalues on the boundary are semisimple."""
    z = complex(values[0])
    clusters = _clusters(values, width)
    projectors = tuple(_projector(A, cluster, width) for cluster in clusters)
    for cluster, (value, projector) in zip(clusters, projectors, strict=True):
        size = norm(projector)
        residual = norm(A @ projector - value * projector)
        if not residual <= 25 * rounding * size**2:
            equal = max(abs(z - value) for z in cluster) <= 3 * rounding
            certain = equal and distance(value, time) >= 0
            return Stability("unstable" if certain else "undecided", z)
        if not 2500 * rounding * size**2 <= 1:
            return Stability("undecided", z)
    return Stability("marginal", z, projectors)


def distances(z: Num[ndarray, "*k"], time: Time) -> ndarray:
    """Return how far outside the boundary each point is; negative inside."""
    return np.asarray(np.abs(z) - 1 if time == "discrete" else np.real(z))


def distance(z: complex, time: Time) -> float:
    """Return how far outside the boundary a point is; negative inside."""
    return abs(z) - 1 if time == "discrete" else z.real


def complement(
    A: Num[ndarray, "n n"], projectors: tuple[tuple[complex, ndarray], ...]
) -> System | None:
    """Return ``R(z)(I − Π)`` as a system without the eigenvalues on the boundary.

    None if there is nothing else.
    """
    total = np.sum([projector for _, projector in projectors], axis=0)
    if np.isrealobj(A):
        total = total.real  # conjugate eigenvalues are on the boundary together
    rest = np.eye(len(A)) - total
    u, s, _ = np.linalg.svd(rest)
    rank = int((s > 0.5).sum())  # singular values of a projector are zero, or at least one
    if rank == 0:
        return None
    basis = u[:, :rank]  # of the range of I − Π, which A maps into itself
    return System(basis.conj().T @ A @ basis, basis.conj().T @ rest, basis)


def _clusters(values: Complex[ndarray, " k"], near: float) -> list[list[complex]]:
    """Return the values in groups that rounding cannot tell apart."""
    clusters: list[list[complex]] = []
    for value in sorted(values.tolist(), key=lambda z: (np.angle(z), z.imag)):
        home = next((c for c in clusters if min(abs(value - z) for z in c) <= 4 * near), None)
        if home is None:
            clusters.append([value])
        else:
            home.append(value)
    return clusters


def _projector(
    A: Num[ndarray, "n n"], cluster: list[complex], near: float
) -> tuple[complex, Num[ndarray, "n n"]]:
    """Return the mean of a cluster of eigenvalues, and its projector, by a reordered Schur form."""
    reordered: Any = scipy.linalg.schur(
        A, output="complex", sort=lambda z: min(abs(z - c) for c in cluster) <= 4 * near
    )
    T, Z, m = reordered
    center = complex(np.mean(T.diagonal()[:m]))
    if np.isrealobj(A) and abs(center.imag) <= 4 * near:
        center = complex(center.real)
    oblique = np.zeros_like(T)
    oblique[:m, :m] = np.eye(m)
    if m < len(A):
        oblique[:m, m:] = scipy.linalg.solve_sylvester(T[:m, :m], -T[m:, m:], T[:m, m:])
    projector = Z @ oblique @ Z.conj().T
    return center, projector if np.iscomplexobj(A) or center.imag else projector.real
