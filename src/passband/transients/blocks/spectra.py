"""Two blocks whose eigenvalues are known better than by a radius."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from passband._shapes import Complex, Float
from passband.transients.blocks.checks import check_nonnegative
from passband.transients.blocks.closed_form import Margins, kreiss_of
from passband.transients.dense.bracket import bracket
from passband.transients.dense.circles import Circles
from passband.transients.dense.level_sets import Peak

_ANGLES = 2048
_REFINED = 40
_SLACK = 1e-9


def kreiss_of_spectra(
    first: Sequence[Any], second: Sequence[Any], c: float, *, rtol: float = 1e-6
) -> float:
    """Return the largest Kreiss constant of normal blocks with spectra in known sets.

    The first block drives the second, without feedback, by a coupling of norm at most c. Where
    eigenvalues of the two blocks are on different sides, as near −1 and near +1, they cannot
    resonate, and the constant is far below that of blocks known by their radii only. From above,
    to ``rtol``, and attained by some blocks with these spectra.

    Args:
        first: Where eigenvalues of the driving block can be: numbers, real or complex, and
            intervals ``(low, high)`` of the real axis. All inside the unit circle.
        second: The same for the driven block.
        c: Norm of the coupling.
        rtol: Relative accuracy.

    Example:
        Resonance is at its worst where the eigenvalues are the same, and absent across.

        >>> same, across = kreiss_of_spectra([0.9], [0.9], 2), kreiss_of_spectra([-0.9], [0.9], 2)
        >>> round(same, 3), round(across, 3)
        (5.05, 1.123)
    """
    check_nonnegative(c=c)
    intervals = _intervals(first, "first"), _intervals(second, "second")
    a, b = (float(np.abs(part).max()) for part in intervals)
    if max(a, b) >= 1:
        raise ValueError(
            "`first` and `second` must lie inside the unit circle; "
            f"their radii are {a:g} and {b:g}."
        )
    coarse = kreiss_of(Margins(1 - a, 1 - b, float(c), 0.0))
    if coarse == 1:
        return 1.0
    special = np.unique(np.angle(np.concatenate(intervals).ravel()))

    def maximum(x: float) -> Peak:
        return _maximum(x, *intervals, float(c), special)

    outside = (a + b) / 2 + math.hypot(a - b, c) / 2
    frame = Circles(np.zeros((1, 1)), tolerance=rtol)  # only its geometry is needed
    return min(coarse, bracket(frame, outside=outside, rtol=rtol, maximum=maximum).upper)


def _intervals(parts: Sequence[Any], name: str) -> Complex[ndarray, "k 2"]:
    """Return low and high ends of intervals; numbers are intervals of length zero."""
    ends: list[tuple[complex, complex]] = []
    for part in parts:
        pair = np.atleast_1d(np.asarray(part, dtype=np.complex128))
        if pair.size not in (1, 2) or not np.isfinite(pair).all():
            raise ValueError(f"`{name}` must hold numbers and pairs of numbers; got {part!r}.")
        low, high = complex(pair[0]), complex(pair[-1])
        if pair.size == 2 and (low.imag or high.imag or low.real > high.real):
            raise ValueError(f"`{name}` must hold intervals (low, high) of reals; got {part!r}.")
        ends.append((low, high))
    if not ends:
        raise ValueError(f"`{name}` must hold at least one eigenvalue or interval.")
    return np.array(ends)


def _distance(
    z: Complex[ndarray, " m"], intervals: Complex[ndarray, "k 2"]
) -> Float[ndarray, " m"]:
    """Return the distance of each z to a union of intervals."""
    low, high = intervals[:, 0], intervals[:, 1]
    nearest = np.clip(np.real(z)[:, None], np.real(low), np.real(high)) + 1j * np.imag(low)
    return np.abs(z[:, None] - nearest).min(axis=1)


def _maximum(
    x: float,
    first: Complex[ndarray, "i 2"],
    second: Complex[ndarray, "j 2"],
    c: float,
    special: Float[ndarray, " s"],
) -> Peak:
    """Return the largest resolvent norm of the class on a circle."""

    def norms(angles: ndarray) -> ndarray:
        z = (1 + x) * np.exp(1j * angles)
        p, q = _distance(z, first), _distance(z, second)
        return (np.hypot(p - q, c) + np.hypot(p + q, c)) / (2 * p * q)

    angles = np.concatenate([np.linspace(-np.pi, np.pi, _ANGLES, endpoint=False), special])
    values = norms(angles)
    starts = angles[np.argsort(-values)[:_REFINED]]
    width = 2 * np.pi / _ANGLES
    while width > 1e-9:  # the best angles, closer and closer
        around = (starts[:, None] + width * np.linspace(-1, 1, 9)).ravel()
        values = norms(around)
        starts = around[np.argsort(-values)[:_REFINED]]
        width /= 4
    best, angle = float(values.max()), float(starts[0])
    return Peak(best, best * (1 + _SLACK), complex((1 + x) * np.exp(1j * angle)))
