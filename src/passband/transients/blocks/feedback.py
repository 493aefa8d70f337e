"""What feedback does to a coupled system: how much it bears, and what it becomes."""

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Complex
from passband.transients.blocks.checks import check_nonnegative
from passband.transients.dense.gain import System, largest_gain
from passband.transients.dense.kreiss import kreiss
from passband.transients.dense.matrices import as_matrix, as_square, spectral_radius
from passband.transients.dense.radii import distance_to_instability

_INSETS = np.geomspace(0.95, 0.02, 8)  # of the margin
_ROUGH = 1e-3


def feedback_bound(J: Any, norm: float) -> float:
    """Return an upper bound of ``K(J + E)`` over all E of a given norm; ``inf`` if none is known.

    The lower one of two Neumann series: ``K(J) / (1 − ‖E‖/d)``, d the distance to instability;
    and ``K(J/ρ)`` for any ρ between the spectral radius and one with ``‖E‖ K(J/ρ) ≤ 1 − ρ``,
    which is the sharper one for small E.

    Args:
        J: The system without feedback, shape ``(n, n)``.
        norm: Norm of what is added, zero or above.

    Raises:
        TypeError: If J is not a matrix of numbers.
        ValueError: If J is not a finite square matrix, or ``norm`` is negative or not finite.

    Example:
        >>> feedback_bound([[0.5, 0.0], [4.0, 0.5]], 0.02) < 3.5
        True
    """
    matrix = as_square(J, name="J")
    check_nonnegative(norm=norm)
    radius = spectral_radius(matrix)
    distance = distance_to_instability(matrix)
    if radius >= 1 or not norm < distance:
        return math.inf
    bounds = [kreiss(matrix, rtol=_ROUGH).upper / (1 - norm / distance)]
    for inset in _INSETS.tolist():
        rate = 1 - inset * (1 - radius)
        K = kreiss(matrix / rate, rtol=_ROUGH).upper
        if norm * K <= 1 - rate:
            bounds.append(K)
    return min(bounds)


@final
@dataclass(frozen=True, slots=True, eq=False)
class CriticalFeedback:
    """The least feedback that makes a driven system unstable.

    Attributes:
        norm: Its norm; ``inf`` if no feedback does, 0 if a block is unstable by itself.
        z: The eigenvalue that it puts on the unit circle.
        feedback: Such a feedback, of rank one, shape ``(n, m)``.
    """

    norm: float
    z: complex
    feedback: Complex[ndarray, "n m"]

    @override
    def __str__(self) -> str:
        return f"feedback of norm {self.norm:.6g} puts an eigenvalue at {self.z:.6g}"


def critical_feedback(A: Any, B: Any, C: Any) -> CriticalFeedback:
    """Return the least E that makes ``[[A, E], [C, B]]`` unstable, exactly.

    ``1 / max_{|z|=1} ‖(zI − B)⁻¹ C (zI − A)⁻¹‖``, by level sets; complex E are allowed. `Blocks`
    gives the least of the whole class from radii and norms.

    Args:
        A: Driving block, shape ``(n, n)``.
        B: Driven block, shape ``(m, m)``.
        C: Coupling, shape ``(m, n)``.

    Raises:
        TypeError: If one is not a matrix of numbers.
        ValueError: If one is not finite, or their shapes do not fit.

    Example:
        ``(1 − a)(1 − b) / c`` for scalars.

        >>> critical_feedback([[0.5]], [[0.5]], [[4.0]]).norm
        0.0625
    """
    first, second, coupling = as_square(A), as_square(B, name="B"), as_matrix(C, name="C")
    n, m = len(first), len(second)
    if coupling.shape != (m, n):
        raise ValueError(f"`C` must have shape ({m}, {n}), from A into B; got {coupling.shape}.")
    nothing = np.zeros((n, m), dtype=np.complex128)
    for block in (first, second):
        values = np.linalg.eigvals(block)
        outermost = complex(values[np.abs(values).argmax()])
        if abs(outermost) >= 1:
            return CriticalFeedback(0.0, outermost, nothing)
    if not coupling.any():
        return CriticalFeedback(math.inf, complex(1.0), nothing)
    joint = System(
        np.block([[first, np.zeros((n, m))], [coupling, second]]),
        np.vstack([np.eye(n), np.zeros((m, n))]),
        np.hstack([np.zeros((m, n)), np.eye(m)]),
    )
    z = largest_gain(joint, "discrete").z
    through = np.linalg.solve(z * np.eye(m) - second, coupling) @ np.linalg.inv(
        z * np.eye(n) - first
    )
    u, s, vh = np.linalg.svd(through)
    worst = np.outer(vh[0].conj(), u[:, 0].conj()) / s[0]
    return CriticalFeedback(float(1 / s[0]), z, np.asarray(worst, dtype=np.complex128))
