"""Bounds of the Kreiss constant of one coupled system, from its parts."""

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.linalg
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Complex, Float, Num
from passband.transients.blocks.closed_form import Margins, kreiss_of
from passband.transients.dense.kreiss import kreiss
from passband.transients.dense.matrices import as_matrix, as_square, norm, spectral_radius
from passband.transients.dense.numerical_range import numerical_radius

_INSETS = (0.8, 0.5, 0.2)  # of the margins of blocks with numerical radii above one
_DISTANCES = 60
_ROUGH = 1e-3


@final
@dataclass(frozen=True, slots=True)
class KreissBounds:
    """``lower ≤ K ≤ upper``, without a computation on the whole system.

    Attributes:
        lower: From pairs of eigenvectors, one of each block, that resonate.
        upper: From the blocks' resolvents and the norm of the coupling.
    """

    lower: float
    upper: float

    @override
    def __str__(self) -> str:
        return f"Kreiss constant in [{self.lower:.6g}, {self.upper:.6g}], from its blocks"


def instance_bounds(A: Any, B: Any, C: Any) -> KreissBounds:
    """Return bounds of the Kreiss constant of ``J = [[A, 0], [C, B]]``, any A and B.

    Above: ``K*(1 − w(A), 1 − w(B), ‖C‖)`` with numerical radii, if these are below one; else
    ``max(K(A), K(B)) + ‖C‖ κ_A κ_B / (√(1−a) + √(1−b))²``, with ``κ_A = K(A/a)`` for the best a
    between the spectral radius and one. Below: compressed to an eigenvector x of A and a left
    eigenvector y of B, J is ``[[λ, 0], [y*Cx, μ]]``, and no compression has the larger
    resolvent. A few eigenproblems of each block.

    Args:
        A: Driving block, shape ``(n, n)``.
        B: Driven block, shape ``(m, m)``.
        C: Coupling, shape ``(m, n)``.

    Raises:
        TypeError: If one is not a matrix of numbers.
        ValueError: If one is not finite, or their shapes do not fit.

    Example:
        For scalars both are exact.

        >>> print(instance_bounds([[0.5]], [[0.5]], [[4.0]]))
        Kreiss constant in [2.125, 2.125], from its blocks
    """
    first, second, coupling = as_square(A), as_square(B, name="B"), as_matrix(C, name="C")
    if coupling.shape != (len(second), len(first)):
        raise ValueError(
            f"`C` must have shape ({len(second)}, {len(first)}), from A into B; "
            f"got {coupling.shape}."
        )
    if max(spectral_radius(first), spectral_radius(second)) >= 1:
        return KreissBounds(math.inf, math.inf)
    alone = [kreiss(block, rtol=_ROUGH) for block in (first, second)]
    lower = max(*(K.lower for K in alone), _resonance(first, second, coupling))
    upper = _from_resolvents(first, second, norm(coupling), max(K.upper for K in alone))
    return KreissBounds(min(lower, upper), upper)


def _from_resolvents(
    A: Num[ndarray, "n n"], B: Num[ndarray, "m m"], c: float, alone: float
) -> float:
    """Return the lowest upper bound."""
    margins = 1 - numerical_radius(A), 1 - numerical_radius(B)
    if min(margins) > 0:
        return kreiss_of(Margins(*margins, c, 0.0))
    choices = _resolvent_constants(A), _resolvent_constants(B)
    return min(
        alone + c * k * q / (math.sqrt(alpha) + math.sqrt(beta)) ** 2
        for alpha, k in choices[0]
        for beta, q in choices[1]
    )


def _resolvent_constants(A: Num[ndarray, "n n"]) -> list[tuple[float, float]]:
    """Return pairs ``(1 − a, κ)`` with ``‖(zI − A)⁻¹‖ ≤ κ / (|z| − a)``."""
    w = numerical_radius(A)
    pairs = [(1 - w, 1.0)] if w < 1 else []
    margin = 1 - spectral_radius(A)
    for inset in _INSETS:
        a = 1 - inset * margin
        pairs.append((1 - a, kreiss(A / a, rtol=_ROUGH).upper))
    return pairs


def _resonance(A: Num[ndarray, "n n"], B: Num[ndarray, "m m"], C: Num[ndarray, "m n"]) -> float:
    """Return the largest Kreiss function of ``[[λ, 0], [y*Cx, μ]]`` over pairs and rays."""
    values, x = np.linalg.eig(A)
    lam = np.asarray(values, dtype=np.complex128)
    eigensystem: Any = scipy.linalg.eig(B, left=True, right=False)
    mu, y = np.asarray(eigensystem[0], dtype=np.complex128), eigensystem[1]
    g = np.abs(y.conj().T @ C @ x).T  # unit vectors: g[i, j] belongs to λ_i, μ_j
    distances = np.geomspace(1e-6, 1e2, _DISTANCES)
    best = 1.0
    for angles in (np.angle(lam)[:, None], np.angle(mu)[None, :]):
        heights = [_height(lam, mu, g, float(d), angles).max() for d in distances]
        i = int(np.argmax(heights))
        low, high = distances[max(i - 1, 0)], distances[min(i + 1, _DISTANCES - 1)]
        finer = np.geomspace(low, high, _DISTANCES)
        best = max(best, *(float(_height(lam, mu, g, float(d), angles).max()) for d in finer))
    return best


def _height(
    lam: Complex[ndarray, " i"],
    mu: Complex[ndarray, " j"],
    g: Float[ndarray, "i j"],
    d: float,
    angles: ndarray,
) -> Float[ndarray, "i j"]:
    """Return ``d ‖(zI − [[λ, 0], [g, μ]])⁻¹‖`` for all pairs, on the circle at distance d."""
    z = (1 + d) * np.exp(1j * angles)
    p, q = np.abs(z - lam[:, None]), np.abs(z - mu[None, :])
    return d * (np.hypot(p - q, g) + np.hypot(p + q, g)) / (2 * p * q)
