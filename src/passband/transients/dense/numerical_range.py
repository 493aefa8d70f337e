"""The numerical range ``{x*Ax : ‖x‖ = 1}``: its boundary, its radius and its abscissa."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from passband._shapes import Complex, Float, Num
from passband.transients.dense.matrices import ROUNDING, as_square
from passband.transients.dense.unimodular import between, unimodular_angles


def numerical_range(A: Any, *, angles: int = 128) -> Complex[ndarray, " angles"]:
    """Return points on the boundary of the numerical range, counterclockwise.

    The numerical range ``W(A) = {x*Ax : ‖x‖ = 1}`` is convex and holds every eigenvalue; the
    polygon of the points lies inside it. One Hermitian eigenproblem an angle.

    Args:
        A: Square matrix, shape ``(n, n)``.
        angles: Number of supporting directions, equally spaced; 3 or more.

    Returns:
        Boundary points, shape ``(angles,)``; repeated where the boundary has a corner.

    Raises:
        TypeError: If A is not a matrix of numbers.
        ValueError: If A is not a finite square matrix, or ``angles`` is below 3.

    Example:
        The numerical range of a 2×2 Jordan block is the disk of radius ½ about its eigenvalue.

        >>> points = numerical_range([[0.0, 1.0], [0.0, 0.0]])
        >>> bool(np.allclose(abs(points), 0.5))
        True

    References:
        Johnson, *Numerical determination of the field of values of a general complex matrix*,
        SIAM J. Numer. Anal. 15, 1978.
    """
    matrix = as_square(A)
    if not angles >= 3:
        raise ValueError(f"`angles` must be at least 3; got {angles!r}.")
    directions = np.linspace(0, 2 * np.pi, int(angles), endpoint=False)
    x = np.linalg.eigh(_rotated(matrix, -directions))[1][:, :, -1]
    return np.asarray(np.einsum("ki,ij,kj->k", x.conj(), matrix, x), dtype=np.complex128)


def numerical_radius(A: Any) -> float:
    """Return the numerical radius ``w(A) = max {|x*Ax| : ‖x‖ = 1}``, correct to rounding.

    ``w(A) ≤ 1`` is equivalent to a Kreiss constant of one, and implies ``‖Aᵏ‖ ≤ 2`` (Berger).
    A level set method on ``w = max λ_max(½(e^{iφ}A + e^{−iφ}A*))``: global, a few eigenproblems
    of size 2n.

    Args:
        A: Square matrix, shape ``(n, n)``.

    Raises:
        TypeError: If A is not a matrix of numbers.
        ValueError: If A is not a finite square matrix.

    Example:
        The radius of the shift of size n is ``cos(π / (n + 1))``.

        >>> round(numerical_radius([[0, 1, 0], [0, 0, 1], [0, 0, 0]]), 12)
        0.707106781187

    References:
        Mengi and Overton, *Algorithms for the computation of the pseudospectral radius and the
        numerical radius of a matrix*, IMA J. Numer. Anal. 25, 2005.
    """
    return radius_bounds(as_square(A), exact=True).lower


def numerical_abscissa(A: Any) -> float:
    """Return ``ω(A)``, the largest eigenvalue of ``½(A + A*)``: the fastest growth of a flow.

    It is the slope of ``‖e^{tA}‖`` at ``t = 0``; at zero or below there is no transient.

    Args:
        A: Square matrix, shape ``(n, n)``.

    Raises:
        TypeError: If A is not a matrix of numbers.
        ValueError: If A is not a finite square matrix.
    """
    return float(np.linalg.eigvalsh(_rotated(as_square(A), np.zeros(1)))[0, -1])


class Bounds(NamedTuple):
    """An interval that holds the exact value."""

    lower: float
    upper: float


def radius_bounds(A: Num[ndarray, "n n"], *, exact: bool) -> Bounds:
    """Return bounds of the numerical radius, one part in 200 apart unless ``exact``."""
    scale = float(np.abs(A).max())
    if scale == 0:
        return Bounds(0.0, 0.0)
    lower, upper = _unit_bounds(A / scale, exact=exact)
    return Bounds(scale * lower, scale * upper)


def _unit_bounds(A: Num[ndarray, "n n"], *, exact: bool) -> Bounds:
    real = np.isrealobj(A)
    angle = np.linspace(0, np.pi, 17) if real else np.linspace(0, 2 * np.pi, 32, endpoint=False)
    values = np.linalg.eigvalsh(_rotated(A, angle))[:, -1]
    lower = float(values.max())
    if not exact:  # the polygon of supporting lines lies outside
        return Bounds(lower, lower / math.cos(np.pi / 32))
    usable = np.array([0, -1]) if real else np.arange(len(angle))  # at 0 and π pencils stay real
    lowest = usable[values[usable].argmin()]
    clear = lower - float(values[lowest]) > 0.05 * lower
    away = complex(np.exp(1j * angle[lowest])) if clear else None
    best, noise = float(angle[values.argmax()]), 4 * len(A) * ROUNDING
    while True:
        best, lower = _climb(A, best)
        level = lower * (1 + 1e-12) + noise
        crossings = _crossings(A, level, away=away)
        if not len(crossings):
            return Bounds(lower, level)
        trial = np.concatenate([crossings, between(crossings)])
        values = np.linalg.eigvalsh(_rotated(A, trial))[:, -1]
        if not values.max() > level:
            return Bounds(lower, level)
        best = float(trial[values.argmax()])


def _rotated(A: Num[ndarray, "n n"], angle: Float[ndarray, " k"]) -> Complex[ndarray, "k n n"]:
    """Return ``H(φ) = ½(e^{iφ}A + e^{−iφ}A*)``."""
    turned = np.exp(1j * angle)[:, None, None] * A
    return (turned + turned.conj().swapaxes(-1, -2)) / 2


def _climb(A: Num[ndarray, "n n"], angle: float) -> tuple[float, float]:
    """Return the local maximum of ``λ_max(H(φ))`` that Newton's method finds from ``angle``."""
    value, slope, bend = _slopes(A, angle)
    step = 0.1
    for _ in range(30):
        ascent = -slope / bend if bend < 0 else math.copysign(step, slope)
        ascent = max(-step, min(step, ascent))
        if abs(slope * ascent) <= 1e-16 * abs(value):
            break
        new = _slopes(A, angle + ascent)
        if new[0] > value:
            angle, (value, slope, bend) = angle + ascent, new
        else:
            step = abs(ascent) / 4
    return angle, value


def _slopes(A: Num[ndarray, "n n"], angle: float) -> tuple[float, float, float]:
    """Return ``λ_max(H(φ))`` and its first two derivatives in φ."""
    turned = np.exp(1j * angle) * A
    H, dH = (turned + turned.conj().T) / 2, 1j * (turned - turned.conj().T) / 2
    values, vectors = np.linalg.eigh(H)
    along = vectors.conj().T @ (dH @ vectors[:, -1])
    gaps = np.maximum(values[-1] - values[:-1], 1e-14 * max(abs(values[-1]), 1e-300))
    bend = -values[-1] + 2 * float((np.abs(along[:-1]) ** 2 / gaps).sum())
    return float(values[-1]), float(along[-1].real), float(bend)


def _crossings(
    A: Num[ndarray, "n n"], level: float, *, away: complex | None
) -> Float[ndarray, " k"]:
    """Return all angles at which ``H(φ)`` has the eigenvalue ``level``."""
    n = len(A)
    identity, zero = np.eye(n), np.zeros((n, n))
    left = np.block([[2 * level * identity, -A.conj().T], [identity, zero]])
    right = np.block([[A, zero], [zero, identity]])
    return unimodular_angles(left, right, away=away)
