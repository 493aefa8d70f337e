"""Arnoldi with full orthogonalization and Krylov–Schur restarts, one product at a time."""

import math
from collections.abc import Callable
from typing import Any, final

import numpy as np
import scipy.linalg
import torch
from numpy import ndarray
from torch import Tensor

from passband.spectra.krylov import coefficients, combine, norm, without


@final
class Arnoldi:
    """A space ``V`` with ``A Vᵀ = Vᵀ B + v bᵀ``, for an operator that is not symmetric.

    The rows of ``V`` and ``v`` are orthonormal, ``B`` is what ``A`` does within the space and
    ``b`` how much of it leaves.

    Args:
        multiply: The product with ``A``.
        start: Any finite vector, not zero.
        generator: Draws a new direction where the space is invariant.

    Attributes:
        size: Dimension ``m`` of the space.
        scale: Largest ``‖A q‖`` that was seen, for a row ``q``.
        full: Whether the space is the whole space.
        locked: How many leading rows span a space that was closed by `lock`.
    """

    size: int
    scale: float
    full: bool
    locked: Any

    def __init__(
        self, multiply: Callable[[Tensor], Tensor], start: Tensor, *, generator: torch.Generator
    ) -> None:
        self._multiply, self._generator = multiply, generator
        self._eps = torch.finfo(start.dtype).eps
        self._rows = (start / norm(start))[None]
        self._projected = np.zeros((1, 0))  # B with bᵀ below it
        self._dropped = np.zeros((0, 0))  # one row for every `lock`: what was neglected there
        self.size, self.scale, self.full, self.locked = 0, 0.0, False, 0

    @property
    def basis(self) -> Tensor:
        """Orthonormal rows, shape ``(m, n)``."""
        return self._rows[: self.size]

    @property
    def within(self) -> ndarray:
        """``B``, shape ``(m, m)``."""
        return self._projected[: self.size]

    @property
    def leaving(self) -> ndarray:
        """What leaves the space as rows, ``bᵀ`` and what was neglected: shape ``(1 + l, m)``."""
        return np.vstack([self._projected[self.size :], self._dropped])

    def expand(self) -> None:
        """Spend one product on one more dimension."""
        m, n = self.size, self._rows.shape[1]
        w = self._multiply(self._rows[m])
        scale = max(self.scale, norm(w))
        column = torch.zeros(m + 1, dtype=torch.float64)
        for _ in range(2):
            c = coefficients(self._rows, w)
            w = without(w, c, self._rows)
            column += c
        full, beta = m + 1 == n, norm(w)
        if full or beta <= 20 * self._eps * scale:  # an invariant subspace is found
            beta = 0.0
        projected = np.zeros((m + 2, m + 1))
        projected[: m + 1, :m] = self._projected
        projected[: m + 1, m] = column.numpy()
        projected[m + 1, m] = beta
        rows = self._rows
        if not full:
            rows = torch.cat([rows, (w / beta if beta else self._direction(rows))[None]])
        dropped = np.pad(self._dropped, ((0, 0), (0, 1)))
        self._rows, self._projected, self._dropped = rows, projected, dropped
        self.size, self.scale, self.full = m + 1, scale, full

    def restart(self, least: float) -> None:
        """Keep the invariant subspace of ``B`` whose values are not smaller than ``least``.

        References:
            Stewart, *A Krylov–Schur algorithm for large eigenproblems*, SIAM J. Matrix Anal.
            Appl. 23, 2002.
        """
        T, Q = self._schur(least)
        rows = torch.cat(
            [combine(torch.from_numpy(Q.T.copy()), self.basis), self._rows[self.size :]]
        )
        self._projected = np.vstack([T, self._projected[self.size :] @ Q])
        self._dropped = self._dropped @ Q
        self._rows, self.size = rows, Q.shape[1]

    def lock(self, least: float) -> None:
        """Keep that subspace as if it were invariant and go on beside it, at random."""
        T, Q = self._schur(least)
        p, dropped = Q.shape[1], self.leaving @ Q
        rows = combine(torch.from_numpy(Q.T.copy()), self.basis)
        self.full = p == rows.shape[1]
        if not self.full:
            rows = torch.cat([rows, self._direction(rows)[None]])
        self._projected, self._dropped = np.vstack([T, np.zeros((1, p))]), dropped
        self._rows, self.size, self.locked = rows, p, p

    def _schur(self, least: float) -> tuple[ndarray, ndarray]:
        """Return ``T`` and ``Q`` with ``B Q = Q T``, ``T`` of the values that are kept."""
        schur: Any = scipy.linalg.schur(
            self.within,
            output="real",
            sort=lambda real, imaginary: math.hypot(real, imaginary) >= least,
        )
        T, Q, p = schur
        if p < len(T) and p and T[p, p - 1]:  # never through a block of two
            p += 1
        return T[:p, :p], Q[:, :p]

    def _direction(self, rows: Tensor) -> Tensor:
        """Return a random unit vector orthogonal to all rows."""
        while True:
            w = torch.randn(rows.shape[1], generator=self._generator, dtype=rows.dtype)
            w = w.to(rows.device)
            length = norm(w)
            for _ in range(3):  # the part that is left may be small
                w = without(w, coefficients(rows, w), rows)
            if (left := norm(w)) > 100 * self._eps * length:
                return w / left
