"""What is small enough for its matrix: powers in full, and products that cost nothing."""

from typing import Any, final

import numpy as np
from numpy import ndarray
from torch import Tensor
from typing_extensions import override

from passband._shapes import Float
from passband.operators import LinearOperator, MatrixOperator

SMALL = 64
"""Entries of a state up to which its matrix is formed."""

WRITTEN = 1024
"""Entries up to which a matrix multiplies faster than a training step is differentiated."""

_CHUNK = 64
_OVER, _GROWN = 1e-3, 1e12


def norms_of_powers(
    A: Float[ndarray, "n n"],
    *,
    steps: int,
    begin: Float[ndarray, "n m"] | None = None,
    read: Any = slice(None),
) -> Float[ndarray, " k"]:
    """Return ``‖C Aᵏ B‖`` for k = 0, 1, …, until they are small or very large, or to ``steps``.

    Args:
        A: The matrix.
        steps: The largest power.
        begin: B; the identity, if not given.
        read: The rows that C reads; all, if not given.
    """
    power = np.eye(len(A)) if begin is None else begin
    norms: list[float] = []
    while len(norms) <= steps:
        stack: list[Any] = []
        for _ in range(min(_CHUNK, steps + 1 - len(norms))):
            stack.append(power[read])
            power = A @ power
        sizes = np.linalg.svd(np.stack(stack), compute_uv=False)[:, 0]
        over = np.flatnonzero((sizes <= _OVER) | (sizes > _GROWN))
        if over.size:
            return np.array([*norms, *sizes[: over[0] + 1].tolist()])
        norms.extend(sizes.tolist())
    return np.array(norms)


@final
class Written(LinearOperator):
    """An operator that is written out as soon as its products have cost as much as its matrix.

    So that up to `WRITTEN` entries no search costs more than twice the products it must, however
    long it is. Products with the matrix are counted here and not at the operator.

    Args:
        operator: Any real operator with an adjoint.
    """

    def __init__(self, operator: LinearOperator) -> None:
        self._operator, self._allowed = operator, operator.matvecs + operator.size
        self._matrix: MatrixOperator | None = None
        self._lives(operator.size, operator.dtype, operator.device, symmetric=operator.symmetric)

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._cheapest().multiply(v)

    @override
    def _rmatvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._cheapest().multiply(v, adjoint=True)

    def _cheapest(self) -> LinearOperator:
        if self._matrix is not None:
            return self._matrix
        if self.size > WRITTEN or self._operator.matvecs < self._allowed:
            return self._operator
        self._matrix = MatrixOperator(self._operator.dense(), symmetric=self._operator.symmetric)
        return self._matrix
