"""Lanczos with full orthogonalization, one product at a time."""

import math
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

# BLAS sums single precision one number after the other: 4e-5 is lost over 2e7 numbers, nothing
# to speak of over this many
_CHUNK = 2**14


def norm(w: Tensor) -> float:
    """Return ``‖w‖₂``; on the CPU `torch.linalg.vector_norm` loses 1e-3 over 2e7 floats at once."""
    whole = len(w) // _CHUNK * _CHUNK
    parts, rest = torch.linalg.vector_norm(w[:whole].view(-1, _CHUNK), dim=1), w[whole:]
    square = float((parts * parts).sum()) + float((rest * rest).sum())
    if 1e-30 < square < 1e30:
        return math.sqrt(square)
    largest = float(w.abs().max())  # squares may have left the range of single precision
    return largest * float(((w / largest) ** 2).sum().sqrt()) if largest else 0.0


def coefficients(rows: Tensor, w: Tensor) -> Tensor:
    """Return ``rows @ w``, in double precision on the CPU."""
    n = len(w)
    if n <= _CHUNK or w.device.type != "cpu" or w.dtype == torch.float64:
        return (rows @ w).cpu().double()
    whole = n // _CHUNK * _CHUNK
    parts = w[:whole].view(-1, 1, _CHUNK) @ rows[:, :whole].unflatten(1, (-1, _CHUNK)).permute(
        1, 2, 0
    )
    return parts.double().sum(dim=(0, 1)) + (rows[:, whole:] @ w[whole:]).double()


def combine(weights: Tensor, rows: Tensor) -> Tensor:
    """Return ``weights @ rows`` for weights in double precision on the CPU."""
    return weights.to(rows.device, rows.dtype) @ rows


def without(w: Tensor, weights: Tensor, rows: Tensor) -> Tensor:
    """Return ``w - weights @ rows``, in one pass over the rows."""
    return torch.addmv(w, rows.T, weights.to(rows.device, rows.dtype), alpha=-1)


@final
class Krylov:
    """A Krylov space of ``(I − VᵀV) A (I − VᵀV)``, an orthonormal basis of it and ``A`` on it.

    Every new vector is orthogonalized against the whole basis, twice. What the first pass
    finds beyond the three-term recurrence vanishes in exact arithmetic: it shows how much the
    products round, free of charge.

    Args:
        multiply: The product with the symmetric operator ``A``.
        start: Any vector, not normalized.
        locked: Orthonormal rows ``V`` to stay orthogonal to, shape ``(p, n)``.
        generator: Draws a new direction where the space is invariant.

    Attributes:
        size: Dimension of the space.
        projected: ``A`` on the basis, double precision; its leading ``size`` rows and columns.
        coupling: ``V A Q`` of locked rows and basis; its leading ``size`` columns.
        beta: Norm of what the last product left outside the space.
        noise: Largest coefficient that should have been zero.
        full: Whether the space and the locked rows are the whole space.
    """

    projected: Tensor
    coupling: Tensor
    size: int
    beta: float
    noise: float
    full: bool

    def __init__(
        self,
        multiply: Callable[[Tensor], Tensor],
        start: Tensor,
        *,
        locked: Tensor,
        generator: torch.Generator,
    ) -> None:
        self._multiply, self._locked, self._generator = multiply, locked, generator
        self._eps = torch.finfo(start.dtype).eps
        self._rows = start.new_empty(min(16, len(start) + 1), len(start))
        self.projected = torch.zeros(len(self._rows), len(self._rows), dtype=torch.float64)
        self.coupling = torch.zeros(len(locked), len(self._rows), dtype=torch.float64)
        self.size, self.beta, self.noise, self.full = 0, 0.0, 0.0, False
        self._rows[0] = self._direction(start)

    @property
    def basis(self) -> Tensor:
        """Orthonormal rows, shape ``(size, n)``."""
        return self._rows[: self.size]

    def expand(self) -> None:
        """Spend one product on one more dimension."""
        j = self.size
        self._make_room(j + 2)
        w = self._multiply(self._rows[j])
        scale = max(norm(w), float(self.projected[: j + 1, : j + 1].abs().max()))
        basis, column = self._rows[: j + 1], torch.zeros(j + 1, dtype=torch.float64)
        for again in (False, True):
            if len(self._locked):
                c = coefficients(self._locked, w)
                w = without(w, c, self._locked)
                self.coupling[:, j] = c + self.coupling[:, j] if again else c
            c = coefficients(basis, w)
            c[j] = float((self._rows[j] * w).sum())  # torch sums pairwise, BLAS does not
            w = without(w, c, basis)
            column += c
            if not again and j:
                self.noise = max(self.noise, float((c[:j] - self.projected[:j, j]).abs().max()))
        self.projected[j, j] = column[j]
        beta = norm(w)
        full = j + 1 + len(self._locked) >= self._rows.shape[1]
        if beta <= 20 * self._eps * scale:  # an invariant subspace is found
            beta = 0.0
        if not full:
            known = self._rows[: j + 1]
            self._rows[j + 1] = w / beta if beta else self._direction(None, known)
            self.projected[j, j + 1] = self.projected[j + 1, j] = beta
        self.size, self.beta, self.full = j + 1, 0.0 if full else beta, full

    def compress(self, weights: Tensor, values: Tensor) -> None:
        """Keep the Ritz vectors with these weights, ``(size, p)``, and go on from them.

        Only where nothing is locked.

        References:
            Wu and Simon, *Thick-restart Lanczos*, SIAM J. Matrix Anal. Appl. 22, 2000.
        """
        m, p = weights.shape
        rows = torch.empty_like(self._rows)
        rows[:p] = combine(weights.T, self._rows[:m])
        rows[p] = self._rows[m]
        projected = torch.zeros_like(self.projected)
        projected[:p, :p] = torch.diag(values)
        projected[p, :p] = projected[:p, p] = self.beta * weights[-1]
        self._rows, self.projected, self.size = rows, projected, p

    def resume(self, rows: Tensor, projected: Tensor, coupling: Tensor) -> None:
        """Take over a basis with the next direction as its last row, and ``A`` on it."""
        self._rows, self.projected, self.coupling = (
            rows.clone(),
            projected.clone(),
            coupling.clone(),
        )
        self.size = len(rows) - 1

    @property
    def next(self) -> Tensor:
        """The basis and the next direction, shape ``(size + 1, n)``."""
        return self._rows[: self.size + 1]

    def _direction(self, start: Tensor | None, basis: Tensor | None = None) -> Tensor:
        """Return a unit vector orthogonal to everything: ``start``'s or a random one."""
        n = self._rows.shape[1]
        while True:
            if start is None:
                z = torch.randn(n, generator=self._generator, dtype=self._rows.dtype)
                start = z.to(self._rows.device)
            w, length = start / norm(start), 1.0
            for _ in range(3):  # the part that is left may be small
                for rows in (self._locked, basis):
                    if rows is not None and len(rows):
                        w = without(w, coefficients(rows, w), rows)
                left = norm(w)
                w, length = (w / left, length * left) if left else (w, 0.0)
            if length > 100 * self._eps:
                return w
            start = None

    def _make_room(self, rows: int) -> None:
        have = len(self._rows)
        if rows <= have:
            return
        more = max(rows, have + have // 2)
        self._rows = torch.cat([self._rows, self._rows.new_empty(more - have, self._rows.shape[1])])
        grow = (0, more - have)
        self.projected = torch.nn.functional.pad(self.projected, grow * 2)
        self.coupling = torch.nn.functional.pad(self.coupling, grow)
