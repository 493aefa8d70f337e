"""What eigenvalues do not show: how far powers of a small matrix rise before they fall.

`passband.transients` has the same for large matrices and with bounds on both sides. Nothing of
it is used here: filters and transients each run alone, and a mode has few states.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Float, Num
from passband.filters.eigenvalues import spectral_radius

_BLOCK = 256  # powers formed at a time
_PATIENCE = 4096  # powers without a new maximum after which a bounded sequence has shown its own
_LONGEST = 1 << 20  # powers that are looked at
_OUTSIDE = 1e-9  # over one, for a radius: rounding of `eigvals`


@final
@dataclass(frozen=True, slots=True)
class Overshoot:
    """How far a mode can move away before it settles, in displacements.

    Attributes:
        peak: ``sup ‖Mᵏ‖₂`` over k ≥ 0, to rounding; ``inf`` outside the passband.
        step: The k at which it is reached, counted in transitions.
        kreiss_lower: Lower bound of the Kreiss constant K.
        kreiss_upper: Upper bound of K, which is the peak: ``K ≤ peak ≤ e s K``.
    """

    peak: float
    step: int
    kreiss_lower: float
    kreiss_upper: float

    @override
    def __str__(self) -> str:
        return (
            f"{self.peak:.4g} after {self.step} steps "
            f"(Kreiss constant in [{self.kreiss_lower:.4g}, {self.kreiss_upper:.4g}])"
        )


def overshoot(M: Num[ndarray, "s s"]) -> Overshoot:
    """Return the largest norm of a power of M, and a bracket of its Kreiss constant."""
    if spectral_radius(M) > 1 + _OUTSIDE:
        return Overshoot(math.inf, 0, math.inf, math.inf)
    peak, step = 1.0, 0
    for first, powers in _powers(M):
        candidates = np.flatnonzero(_frobenius(powers) > peak)
        norms = _norm(powers[candidates])
        if len(norms) and norms.max() > peak * (1 + 1e-12):
            best = int(norms.argmax())
            peak, step = float(norms[best]), first + int(candidates[best])
        last = first + len(powers) - 1
        if last > 8 * step + _PATIENCE or _norm(powers[-1:])[0] <= 1:
            break
    lower = max(1.0, peak / (math.e * len(M)), kreiss_lower_bound(M))
    return Overshoot(peak, step, min(lower, peak), peak)


def settling(M: Num[ndarray, "s s"], *, eps: float) -> float:
    """Return the smallest k with ``‖Mʲ‖₂ ≤ eps`` for all ``j ≥ k``; inf if there is none in 2²⁰."""
    if spectral_radius(M) >= 1:
        return math.inf
    peak, last_above = 1.0, -1 if eps >= 1 else 0
    for first, powers in _powers(M):
        bound = _frobenius(powers)  # norms are at most this, and at least this over √s
        peak = max(peak, float(bound.max()))
        for k in np.flatnonzero(bound > eps)[::-1]:
            if bound[k] > eps * math.sqrt(len(M)) or _norm(powers[k : k + 1])[0] > eps:
                last_above = first + int(k)
                break
        if bound[-1] <= eps / peak:
            return last_above + 1
    return math.inf


def kreiss_lower_bound(M: Num[ndarray, "s s"]) -> float:
    """Return ``max (|z| − 1) ‖(zI − M)⁻¹‖₂`` over a polar grid, refined around its best point.

    Part of the grid are the directions of the multipliers, where the maximum usually is.
    """
    multipliers = np.linalg.eigvals(M)
    angle = np.union1d(np.linspace(0, 2 * np.pi, 64, endpoint=False), np.angle(multipliers))
    excess = np.geomspace(1e-6, 1e2, 40)
    best = 1.0
    for _ in range(4):
        grid = _kreiss_ratio(M, excess[:, None], angle[None, :])
        i, j = np.unravel_index(int(grid.argmax()), grid.shape)
        best = max(best, float(grid[i, j]))
        around = (excess[max(i - 1, 0)], excess[min(i + 1, len(excess) - 1)])
        spacing = np.pi * 2 / len(angle)
        excess = np.geomspace(*around, 9)
        angle = angle[j] + np.linspace(-spacing, spacing, 9)
    return best


def _kreiss_ratio(M: ndarray, excess: ndarray, angle: ndarray) -> Float[ndarray, "r a"]:
    z = (1 + excess) * np.exp(1j * angle)
    smallest = np.linalg.svd(z[..., None, None] * np.eye(len(M)) - M, compute_uv=False)[..., -1]
    with np.errstate(divide="ignore"):
        return np.where(smallest > 0, excess / smallest, 0.0)


def _powers(M: ndarray) -> Generator[tuple[int, ndarray]]:
    """Yield ``k`` and the powers ``Mᵏ, Mᵏ⁺¹, …`` in blocks, up to the longest."""
    powers = [M]
    while len(powers) < _BLOCK:
        powers.append(M @ powers[-1])
    block = np.stack(powers)
    start = np.eye(len(M), dtype=M.dtype)
    for first in range(1, _LONGEST, _BLOCK):
        current = block @ start
        yield first, current
        start = current[-1]


def _frobenius(matrices: ndarray) -> ndarray:
    return np.linalg.norm(matrices, axis=(-2, -1))


def _norm(matrices: ndarray) -> ndarray:
    return np.linalg.norm(matrices, ord=2, axis=(-2, -1))
