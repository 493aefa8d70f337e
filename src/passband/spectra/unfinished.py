"""What a search that was stopped leaves behind, so that another one can go on from there."""

from dataclasses import dataclass
from typing import final

from torch import Tensor

from passband._shapes import Float


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Unfinished:
    """A Krylov space and the pairs it is orthogonal to; plain data that can be stored.

    Attributes:
        rows: Orthonormal basis and the next direction, shape ``(m + 1, n)``.
        projected: The operator on them as far as it is known, shape ``(m + 1, m + 1)``.
        beta: Norm of what the last product left outside.
        noise: Rounding that was seen in this space.
        vectors: Known pairs, orthonormal, shape ``(p, n)``.
        values: Their values, shape ``(p,)``.
        residuals: Their residuals, shape ``(p,)``.
        coupling: What the operator does between them and the rows, shape ``(p, m + 1)``.
        seen: Rounding that was seen before.
        settled: Whether the first search was over, so that this is the second look.
    """

    rows: Float[Tensor, "m1 n"]
    projected: Float[Tensor, "m1 m1"]
    beta: float
    noise: float
    vectors: Float[Tensor, "p n"]
    values: Float[Tensor, " p"]
    residuals: Float[Tensor, " p"]
    coupling: Float[Tensor, "p m1"]
    seen: float
    settled: bool
