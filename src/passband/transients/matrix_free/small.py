"""Norms of all powers of a matrix that is small enough to be formed."""

from typing import Any

import numpy as np
from numpy import ndarray

from passband._shapes import Float

SMALL = 64
"""Entries of a state up to which its matrix is formed."""

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
