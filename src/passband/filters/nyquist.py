"""Where the multipliers of a feedback loop cross the unit circle, without looking for them.

A loop ``M(μ) = A + μ b cᵀ`` has the characteristic polynomial ``D(z) − μ N(z)``, so the
curvature that puts a multiplier at z is ``μ = D(z) / N(z)``. On the unit circle it must be
real: ``Im D(z) N(z)* = 0``, which divided by ``sin φ`` is a polynomial in ``cos φ`` of degree
``s − 1``. Its roots in [−1, 1] are all crossings by pairs; z = ±1 are the others. This is the
gain margin of control theory, with every crossing found. Nothing depends on a scale.
"""

from collections.abc import Callable

import numpy as np
from numpy import ndarray

from passband.filters.roots import chebyshev_coefficients, chebyshev_nodes, polish, roots_inside

_TINY = 1e-300
_VANISHES = 1e-14  # relative: a polynomial this small is zero identically


def crossing_at(D: ndarray, b: ndarray, c: ndarray, *, z: float) -> list[float] | None:
    """Return the curvature that puts a multiplier at z = ±1, if any, or None if all do."""
    denominator, numerator = (
        float(v[0]) for v in _loop_gain(D, b, c, np.array([z - 1.0]), det=_determinant)
    )
    if denominator == numerator == 0:
        return None
    return [denominator / numerator] if abs(numerator) > _TINY * abs(denominator) else []


def crossings_by_pairs(D: ndarray, b: ndarray, c: ndarray) -> list[float] | None:
    """Return the curvatures that put a pair on the circle, or None if all do.

    Args:
        D: ``A − I``, shape ``(s, s)``.
        b: How the gradient enters, shape ``(s,)``.
        c: Where the gradient is taken, shape ``(s,)``.
    """
    if len(b) < 2:
        return []

    def slope(angle: ndarray) -> ndarray:
        """Return ``Im D N* / sin φ``."""
        denominator, numerator = _loop_gain(D, b, c, _less_one(angle), det=np.linalg.det)
        return np.imag(denominator * np.conj(numerator)) / np.sin(angle)

    nodes = chebyshev_nodes(len(b) - 1)
    angles = np.arccos(nodes)
    denominator, numerator = _loop_gain(D, b, c, _less_one(angles), det=np.linalg.det)
    size = np.abs(denominator).max() * np.abs(numerator).max()
    values = np.imag(denominator * np.conj(numerator)) / np.sin(angles)
    if np.abs(values).max() <= _VANISHES * size:
        return None
    roots = roots_inside(chebyshev_coefficients(values))
    # a small angle loses its digits in the cosine, and gets them back here
    turning = polish(slope, np.arccos(roots[np.abs(roots) < 1]))
    denominator, numerator = _loop_gain(D, b, c, _less_one(turning), det=_determinant)
    reached = np.abs(numerator) > _TINY * np.abs(denominator)
    return np.real(denominator[reached] / numerator[reached]).tolist()


def _less_one(angle: ndarray) -> ndarray:
    """Return ``exp(iφ) − 1`` without cancellation."""
    return 2j * np.sin(angle / 2) * np.exp(0.5j * angle)


def _loop_gain(
    D: ndarray, b: ndarray, c: ndarray, w: ndarray, *, det: Callable[[ndarray], ndarray]
) -> tuple[ndarray, ndarray]:
    """Return ``D(z)`` and ``N(z)`` at ``z = 1 + w``, as determinants."""
    size = len(b)
    bordered = np.zeros((len(w), size + 1, size + 1), dtype=w.dtype)
    bordered[:, :size, :size] = w[:, None, None] * np.eye(size) - D
    bordered[:, :size, size] = b
    bordered[:, size, :size] = c
    return det(bordered[:, :size, :size]), -det(bordered)


def _determinant(matrices: ndarray) -> ndarray:
    """Return products of pivots; NumPy goes through logarithms, which costs digits."""
    rest = matrices.copy()
    product = np.ones(len(rest), dtype=rest.dtype)
    every = np.arange(len(rest))
    while rest.shape[-1]:
        row = np.abs(rest[:, :, 0]).argmax(axis=1)
        pivot = rest[every, row].copy()
        rest[every, row] = rest[:, 0]
        product = product * np.where(row > 0, -pivot[:, 0], pivot[:, 0])
        leading = np.where(pivot[:, 0] != 0, pivot[:, 0], 1.0)
        factors = rest[:, 1:, :1] / leading[:, None, None]
        rest = rest[:, 1:, 1:] - factors * pivot[:, None, 1:]
    return product
