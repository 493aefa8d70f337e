"""Any number of coupled systems, compared with one small nonnegative matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, final

import numpy as np
from typing_extensions import override

from passband.transients.blocks.two import Bounded
from passband.transients.dense.growth import Growth, growth
from passband.transients.dense.kreiss import kreiss
from passband.transients.dense.matrices import as_square, norm
from passband.transients.dense.numerical_range import numerical_radius
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
        """
        matrix = as_square(J, name="J")
        if any(size < 1 for size in sizes) or sum(sizes) != len(matrix):
            raise ValueError(
                f"`sizes` must be positive and add up to {len(matrix)}; got {tuple(sizes)}."
            )
        if bound not in ("kreiss", "powers"):
            raise ValueError(f'`bound` must be "kreiss" or "powers"; got {bound!r}.')
        inner = numerical_radius if bound == "kreiss" else norm
        ends = np.cumsum([0, *sizes])
        parts = [slice(low, high) for low, high in pairwise(ends.tolist())]
        norms = np.array([[norm(matrix[row, column]) for column in parts] for row in parts])
        np.fill_diagonal(norms, [inner(matrix[part, part]) for part in parts])
        return cls(norms)

    @property
    def radius(self) -> float:
        """Spectral radius of N, the largest of the class."""
        return float(np.abs(np.linalg.eigvals(self.matrix)).max())

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
        """Return the number of steps after which every ``‖Jᵏ‖`` stays at or below ``eps``."""
        return self._transient.settling(eps)

    def pseudospectral_radius(self, eps: float) -> float:
        """Return the largest ``ρ_ε`` of the class."""
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
