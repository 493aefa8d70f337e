"""Steps that differ: cycles of several matrices, repeated for ever.

Minibatches in a fixed order, several critic steps to one of the generator, cyclic schedules. The
powers of the block matrix that leads from each place of the cycle to the next are the products
that begin at every place, so what is known of one matrix is known of a cycle.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Complex, Float, Num
from passband.transients.dense.growth import Growth, growth
from passband.transients.dense.kreiss import Kreiss, kreiss
from passband.transients.dense.matrices import as_square, norm


@final
@dataclass(frozen=True, eq=False)
class Cycle:
    """The iteration ``x ← J_k x`` with ``J_1, …, J_m, J_1, …``: ``Φ = J_m ⋯ J_1`` a cycle.

    Multipliers do not depend on where the cycle is entered; peaks and Kreiss constants do. `peak`
    is the largest over every entry and every length, also in the middle of a cycle, and exact as
    that of `growth` is.

    Attributes:
        steps: ``J_1, …, J_m``, in the order of time, each of shape ``(n, n)``.
    """

    steps: tuple[Num[ndarray, "n n"], ...]
    lifted: Num[ndarray, "nm nm"] = field(repr=False)
    """The block matrix from each place of the cycle to the next, shape ``(nm, nm)``."""

    @property
    def period(self) -> int:
        """m, the number of steps of a cycle."""
        return len(self.steps)

    def product(self, *, start: int = 0, length: int | None = None) -> Num[ndarray, "n n"]:
        """Return the product of ``length`` steps, entered before step ``start``.

        Args:
            start: Where to enter, from 0 to m − 1.
            length: Number of steps; a whole cycle, if not given.
        """
        m = self.period
        if not 0 <= start < m:
            raise ValueError(f"`start` must lie in 0, …, {m - 1}; got {start!r}.")
        length = m if length is None else length
        if not length >= 0:
            raise ValueError(f"`length` must not be negative; got {length!r}.")
        whole, rest = divmod(int(length), m)
        cycles = np.linalg.matrix_power(self._between(start, m), whole)
        return self._between(start, rest) @ cycles

    def _between(self, start: int, length: int) -> Num[ndarray, "n n"]:
        out = np.eye(len(self.steps[0]), dtype=self.lifted.dtype)
        for k in range(start, start + length):
            out = self.steps[k % self.period] @ out
        return out

    @cached_property
    def multipliers(self) -> Complex[ndarray, " n"]:
        """Eigenvalues of Φ, largest modulus first: the factors a cycle."""
        values = np.linalg.eigvals(self._between(0, self.period)).astype(np.complex128)
        return values[np.argsort(-np.abs(values))]

    @property
    def radius(self) -> float:
        """The factor a step, once transients are over: ``ρ(Φ)^{1/m}``."""
        return float(np.abs(self.multipliers[0])) ** (1 / self.period)

    @property
    def stable(self) -> bool:
        """Whether the radius is below one."""
        return self.radius < 1

    @cached_property
    def growth(self) -> Growth:
        """The transient of `lifted`: worst over every entry."""
        return growth(self.lifted)

    @property
    def peak(self) -> float:
        """The largest norm of a product of steps that follow each other, of any length."""
        return self.growth.peak

    @property
    def length(self) -> float:
        """The number of steps of that product; ``inf`` if there is no largest."""
        return self.growth.time

    @cached_property
    def entry(self) -> int:
        """Where that product begins, from 0 to m − 1: the worst moment for a perturbation."""
        if not math.isfinite(self.length):
            return 0
        norms = [norm(self.product(start=s, length=int(self.length))) for s in range(self.period)]
        return int(np.argmax(norms))

    @cached_property
    def direction(self) -> Num[ndarray, " n"]:
        """The unit perturbation that is amplified most, at the worst entry."""
        length = self.length if math.isfinite(self.length) and self.length > 0 else self.period
        return np.linalg.svd(self.product(start=self.entry, length=int(length)))[2][0].conj()

    def curve(self, length: int, *, start: int = 0) -> Float[ndarray, " k"]:
        """Return the norms of the products of 0, 1, …, ``length`` steps from one entry.

        Args:
            length: The longest product.
            start: Where to enter.
        """
        if not length >= 0:
            raise ValueError(f"`length` must not be negative; got {length!r}.")
        product, norms = self.product(start=start, length=0), [1.0]
        for k in range(start, start + length):
            product = self.steps[k % self.period] @ product
            norms.append(norm(product))
        return np.array(norms)

    def settling(self, eps: float = 1e-3) -> float:
        """Return the number of steps after which every such product stays at or below ``eps``."""
        return self.growth.settling(eps)

    def kreiss(self, *, rtol: float = 1e-6) -> tuple[Kreiss, ...]:
        """Return the Kreiss constants of Φ at each entry: of whole cycles.

        Args:
            rtol: Relative width of the brackets.
        """
        return tuple(kreiss(self.product(start=s), rtol=rtol) for s in range(self.period))

    @override
    def __str__(self) -> str:
        head = f"a cycle of {self.period} steps: radius {self.radius:.6g} a step"
        if not math.isfinite(self.peak):
            return f"{head}; a perturbation grows without bound"
        where = f"from step {self.entry + 1}, after {int(self.length)}"
        return f"{head}; a perturbation grows at most {self.peak:.6g} times, {where}"


def cycle(steps: Sequence[Any]) -> Cycle:
    """Return what a repeated sequence of different steps does.

    Costs a matrix of size ``n m``: `growth` of it when the peak is asked, seconds at 500.

    Args:
        steps: Square matrices of one shape in the order of time; or comparison matrices,
            `Blocks` and `Comparison`, whose products bound the norms of all systems they stand
            for.

    Raises:
        TypeError: If a step is not a matrix of numbers.
        ValueError: If there is none, or they are not finite and square, of one shape.

    Example:
        Each of the two is nilpotent, and stable; together they double every other step.

        >>> both = cycle([[[0.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]]])
        >>> both.radius == 2**0.5, both.stable
        (True, False)

    References:
        Floquet's multipliers; the lifted matrix: Flamm, *A new shift-invariant representation for
        periodic linear systems*, Syst. Control Lett. 17, 1991.
    """
    matrices = [as_square(getattr(J, "matrix", J), name=f"steps[{k}]") for k, J in enumerate(steps)]
    if not matrices:
        raise ValueError("`steps` must hold one matrix or more; it is empty.")
    shapes = {matrix.shape for matrix in matrices}
    if len(shapes) > 1:
        raise ValueError(f"`steps` must have one shape; got {sorted(shapes)}.")
    n, m = len(matrices[0]), len(matrices)
    lifted = np.zeros((n * m, n * m), dtype=np.result_type(*matrices))
    for k, matrix in enumerate(matrices):
        after = (k + 1) % m
        lifted[after * n : (after + 1) * n, k * n : (k + 1) * n] = matrix
    return Cycle(tuple(matrices), lifted)
