"""Formulas for ``N = [[1 − α, e], [c, 1 − β]]`` with entries from zero up, from its margins.

Margins, not radii: with ``α = 1e-9`` the number ``1 − α`` has lost half of the digits of α, and
everything here depends on α.
"""

import math
from typing import NamedTuple

import numpy as np

from passband.transients.blocks.checks import check_ratio


class Margins(NamedTuple):
    """Margins of the diagonal blocks and norms of the couplings."""

    alpha: float
    beta: float
    c: float
    e: float

    def scaled(self, factor: float) -> "Margins":
        """Return all four multiplied: a common change of the step sizes."""
        return Margins(*(factor * value for value in self))

    def slower(self, s: float) -> "Margins":
        """Return the margins of ``N / (1 − s)``."""
        alpha, beta, c, e = self
        return Margins(alpha - s, beta - s, c, e).scaled(1 / (1 - s))

    def at_ratio(self, tau: float) -> "Margins":
        """Return the margins with the second block's step size multiplied, by a checked factor."""
        check_ratio(tau, beta=self.beta)
        return Margins(self.alpha, min(float(tau) * self.beta, 1.0), float(tau) * self.c, self.e)

    @property
    def gap(self) -> float:
        """``Δ = αβ − ec``, positive where the whole class is stable."""
        return self.alpha * self.beta - self.e * self.c

    @property
    def eigenmargins(self) -> tuple[float, float]:
        """One minus the eigenvalues of N, ascending."""
        mean = (self.alpha + self.beta) / 2
        spread = math.hypot((self.alpha - self.beta) / 2, math.sqrt(self.e * self.c))
        slow = self.gap / (mean + spread) if mean + spread > 0 else mean - spread
        return slow, mean + spread


def kreiss_of(margins: Margins) -> float:
    """Return (3) of docs/theory/coupled: the largest Kreiss constant with these margins and norms.

    ::

        K* = 1                                                       if (c + e)² ≤ 4αβ
           = ((α+β)² + (c−e)²) / ((α+β) δ + 2 |c−e| √(αβ − ec)),     δ² = (α−β)² + (c+e)²
    """
    if min(margins.alpha, margins.beta) < 0:
        return math.inf
    size = max(margins)
    if size == 0:
        return 1.0
    unit = margins.scaled(1 / size)
    alpha, beta, c, e = unit
    if (c + e) ** 2 <= 4 * alpha * beta:
        return 1.0
    if unit.gap < 0:
        return math.inf
    total = alpha + beta
    low = total * math.hypot(alpha - beta, c + e) + 2 * abs(c - e) * math.sqrt(unit.gap)
    return (total**2 + (c - e) ** 2) / low if low > 0 else math.inf


def noise_of(margins: Margins, first: float, second: float) -> float:
    """Return ``Σ ‖Nᵏ diag(first, second)‖_F²``, the trace of ``X = N X Nᵀ + diag²``."""
    alpha, beta, c, e = margins
    if not margins.eigenmargins[0] > 0:
        return math.inf
    a, b = 1 - alpha, 1 - beta
    equations = np.array(
        [
            [alpha * (2 - alpha), -2 * a * e, -(e**2)],
            [-a * c, alpha + beta - alpha * beta - e * c, -e * b],
            [-(c**2), -2 * c * b, beta * (2 - beta)],
        ]
    )
    x = np.linalg.solve(equations, np.array([first**2, 0.0, second**2]))
    return float(x[0] + x[2])
