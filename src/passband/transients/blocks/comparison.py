"""Any number of coupled systems, compared with one small nonnegative matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
from typing_extensions import override

from passband.transients.blocks.measured import Bounded, comparison_matrix
from passband.transients.dense.growth import Growth, growth
from passband.transients.dense.kreiss import kreiss
from passband.transients.dense.matrices import as_square, spectral_radius
from passband.transients.dense.radii import pseudospectral_radius


@final
@dataclass(frozen=True, eq=False)
class Comparison:
    """All systems of m coupled blocks that a comparison matrix N bounds.

    ``‖J_ij‖ ≤ N_ij`` off the diagonal; on it N has the spectral radii of normal blocks, the
    numerical radii of any. Then ``ρ(J) ≤ ρ(N)``, ``K(J) ≤ K(N)`` and ``ρ_ε(J) ≤ ρ_ε(N)``; and if
    it has the norms of the blocks, also ``‖Jᵏ‖ ≤ ‖Nᵏ‖``, even for products of different such J.
    N is in the class, so each is exact over it.

    Args:
        matrix: The comparison matrix, nonnegative, shape ``(m, m)``.

    Raises:
        TypeError: If it is not a matrix of numbers.
        ValueError: If it is not square, finite, real and nonnegative.

    Example:
        Two blocks, as `Blocks` has them in closed form: ``17/8``.

        >>> round(Comparison([[0.5, 0.0], [4.0, 0.5]]).kreiss, 5)
        2.125

    References:
        Ostrowski, *On some metrical properties of operator matrices*, J. Math. Anal. Appl. 2, 1961.
    """

    matrix: Any

    def __post_init__(self) -> None:
        matrix = as_square(self.matrix, name="matrix")
        if np.iscomplexobj(matrix) or not (matrix >= 0).all():
            raise ValueError(
                "`matrix` must be real and nonnegative: it holds radii and norms. "
                "Use `Comparison.of` for a system itself."
            )
        matrix.flags.writeable = False
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def of(cls, J: Any, *, sizes: Sequence[int], bound: Bounded = "kreiss") -> "Comparison":
        """Return the smallest comparison matrix of a given matrix.

        Args:
            J: Square matrix, shape ``(n, n)``.
            sizes: Sizes of the blocks, of sum n.
            bound: ``"kreiss"`` takes numerical radii of the diagonal blocks, for Kreiss constants
                and pseudospectra; ``"powers"`` their norms, for peaks and settling times.

        Raises:
            TypeError: If J is not a matrix of numbers.
            ValueError: If J is not a finite square matrix, or an option does not fit it.
        """
        matrix = as_square(J, name="J")
        if any(size < 1 for size in sizes) or sum(sizes) != len(matrix):
            raise ValueError(
                f"`sizes` must be positive and add up to {len(matrix)}; got {tuple(sizes)}."
            )
        return cls(comparison_matrix(matrix, sizes=sizes, bound=bound))

    @property
    def radius(self) -> float:
        """Spectral radius of N, the largest of the class."""
        return spectral_radius(self.matrix)

    @property
    def stable(self) -> bool:
        """Whether the whole class is."""
        return self.radius < 1

    @property
    def kreiss(self) -> float:
        """The largest Kreiss constant of the class, from above, to 1e-6; ``inf`` if unstable."""
        return kreiss(self.matrix).upper

    @property
    def peak(self) -> float:
        """The largest ``‖Jᵏ‖`` over all k, and of products of different J."""
        return self._transient.bound

    def steps(self, eps: float = 1e-3) -> float:
        """Return the number of steps after which every ``‖Jᵏ‖`` stays at or below ``eps``.

        Args:
            eps: The norm at which the transient counts as over, above zero.

        Raises:
            ValueError: If eps is not positive and finite.
        """
        return self._transient.settling(eps)

    def pseudospectral_radius(self, eps: float) -> float:
        """Return the largest ``ρ_ε`` of the class.

        Args:
            eps: Norm of the perturbations, zero or above.

        Raises:
            ValueError: If eps is negative or not finite.
        """
        return pseudospectral_radius(self.matrix, eps)

    @cached_property
    def _transient(self) -> Growth:
        return growth(self.matrix)

    @override
    def __str__(self) -> str:
        if not self.stable:
            return (
                f"{len(self.matrix)} coupled blocks, some unstable: radii up to {self.radius:.6g}"
            )
        return (
            f"{len(self.matrix)} coupled blocks: Kreiss constants up to {self.kreiss:.6g}, "
            f"peaks up to {self.peak:.6g}"
        )
