"""Eigenpairs from a subspace, how wrong they may be, and which are wanted."""

import itertools
import math
import operator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from passband.spectra.krylov import Krylov, combine, norm
from passband.spectra.results import Which

_CLUSTER = 6  # values to each side that may belong to a cluster
_CAUTION = 4  # for gaps that are estimates; with 1, one in 1000 planted spectra broke its bar


@final
@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Rayleigh–Ritz pairs of locked rows and a Krylov space, values ascending.

    Attributes:
        values: Ritz values, shape ``(m,)``, double precision on the CPU.
        weights: Coordinates as columns, shape ``(m, m)``: locked rows first.
        residuals: Bounds on ``‖A v − λ v‖₂``, shape ``(m,)``.
        fresh: Share of each vector that lies in the Krylov space, shape ``(m,)``.
        floor: Rounding of the products, as far as it is known.
    """

    values: Tensor
    weights: Tensor
    residuals: Tensor
    fresh: Tensor
    floor: float

    @property
    def new(self) -> Tensor:
        """Whether each vector lies mostly in the Krylov space, shape ``(m,)``."""
        return self.fresh > 0.5

    @property
    def scale(self) -> float:
        """Largest magnitude."""
        return float(self.values.abs().max())

    def estimate(self, i: int, *, top: bool, strict: bool = False) -> float:
        """Return ``min(r, ‖R‖² / gap)`` of a value, over the clusters around it.

        A cluster of Ritz values with residuals ``R`` is as far from eigenvalues as the square
        of its residual over its distance to all others; a lone value is a cluster too.

        Args:
            i: Which value.
            top: Whether it is sought from above, so that what is unknown lies below it.
            strict: Let a cluster hold locked pairs alone, and keep it clear of what is new by
                the residual of that, twice: then the gap is what a second, independent space saw.
        """
        values, squares = self.values.tolist(), (self.residuals**2).tolist()
        slack = (2 * self.residuals * self.new).tolist() if strict else [0.0] * len(values)
        upper = list(itertools.accumulate(map(operator.add, values, slack), max))
        lower = list(itertools.accumulate(map(operator.sub, values[::-1], slack[::-1]), min))[::-1]
        fresh = [0.0, *itertools.accumulate(self.fresh.tolist())]
        best, last = float(self.residuals[i]), len(values) - 1
        caution = _CAUTION if strict else 1
        for a in range(i, max(-1, i - _CLUSTER), -1):
            for b in range(i, min(last, i + _CLUSTER) + 1):
                if (top and a == 0) or (not top and b == last):
                    continue  # what is unknown would be in the cluster
                if strict and fresh[b + 1] - fresh[a] > 0.5:
                    break
                square = math.fsum(squares[a : b + 1])
                below = values[a] - upper[a - 1] if a else math.inf
                above = lower[b + 1] - values[b] if b < last else math.inf
                gap = min(below, above) - math.sqrt(square)
                if gap > 0:
                    best = min(best, caution * square / gap)
        return best


def rayleigh_ritz(space: Krylov, locked: "Locked") -> Pairs:
    """Return the Ritz pairs of the space together with locked pairs."""
    m, p = space.size, len(locked.values)
    matrix = torch.zeros(p + m, p + m, dtype=torch.float64)
    matrix[:p, :p] = torch.diag(locked.values)
    matrix[:p, p:] = space.coupling[:, :m]
    matrix[p:, :p] = space.coupling[:, :m].T
    matrix[p:, p:] = space.projected[:m, :m]
    values, weights = torch.linalg.eigh(matrix)
    residuals = locked.residuals @ weights[:p].abs()
    if m:
        residuals = residuals + space.beta * weights[-1].abs()
    eps = torch.finfo(locked.vectors.dtype).eps
    floor = max(10 * max(space.noise, locked.noise), 20 * eps * float(values.abs().max()))
    return Pairs(values, weights, residuals, (weights[p:] ** 2).sum(0), floor)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Locked:
    """Eigenpairs that are known, with orthonormal rows.

    Attributes:
        vectors: Shape ``(p, n)``.
        values: Shape ``(p,)``, double precision on the CPU.
        residuals: Shape ``(p,)``.
        noise: Rounding that was seen while they were found.
    """

    vectors: Tensor
    values: Tensor
    residuals: Tensor
    noise: float

    @staticmethod
    def none(start: Tensor) -> "Locked":
        """Nothing is known yet."""
        empty = torch.zeros(0, dtype=torch.float64)
        return Locked(start.new_zeros(0, len(start)), empty, empty, 0.0)

    def with_pairs(self, pairs: Pairs, chosen: list[int], space: Krylov) -> "Locked":
        """Return these pairs of the joint space as the known ones."""
        p = len(self.values)
        weights = pairs.weights[:, chosen].T
        vectors = combine(weights[:, :p], self.vectors) + combine(weights[:, p:], space.basis)
        vectors = torch.stack([v / norm(v) for v in vectors]) if chosen else vectors
        return Locked(
            vectors,
            pairs.values[chosen],
            pairs.residuals[chosen],
            max(self.noise, space.noise),
        )


@final
@dataclass(frozen=True, slots=True)
class Side:
    """One end of the spectrum: the ``k`` values with the largest key.

    Attributes:
        which: ``"largest"``, ``"smallest"`` or ``"magnitude"``.
        k: How many are wanted.
        rtol: Relative accuracy that is wanted.
        eps: Precision of the operator.
    """

    which: Which
    k: int
    rtol: float
    eps: float

    def key(self, values: Tensor) -> Tensor:
        """Return what is sorted by, descending."""
        return {"largest": values, "smallest": -values}.get(self.which, values.abs())

    def order(self, pairs: Pairs) -> list[int]:
        """Return all pairs, the most wanted first."""
        upward = pairs.values.argsort(stable=True).tolist()  # ties take different ends
        if self.which == "smallest":
            return upward
        if self.which == "largest":
            return upward[::-1]
        return pairs.values.abs().argsort(descending=True, stable=True).tolist()

    def tolerance(self, pairs: Pairs, i: int) -> float:
        """Return the error that is small enough.

        That is relative to the value, at the small end to the largest magnitude, and nowhere
        finer than the precision allows.
        """
        small = self.which == "smallest"
        size = pairs.scale if small else abs(float(pairs.values[i]))
        return max(self.rtol * size, 100 * self.eps * pairs.scale)

    def wanted(self, pairs: Pairs) -> list[int]:
        """Return the wanted pairs, the most wanted first."""
        return self.order(pairs)[: self.k]

    def error(self, pairs: Pairs, i: int, *, strict: bool) -> float:
        """Return the estimated error of a wanted value, without rounding.

        A strict one reaches as far as a rival may lie that a second look could not rule out.
        """
        top = self.which == "largest" or (self.which == "magnitude" and float(pairs.values[i]) > 0)
        error = pairs.estimate(i, top=top, strict=strict)
        if strict:
            keys = self.key(pairs.values)
            unsure = set((pairs.fresh > 0.1).nonzero()[:, 0].tolist()) - set(self.wanted(pairs))
            for rival in unsure:
                error = max(error, float(keys[rival] + 2 * pairs.residuals[rival] - keys[i]))
        return error

    def accurate(self, pairs: Pairs, i: int, *, strict: bool = False) -> bool:
        """Return whether a value is accurate enough."""
        return self.error(pairs, i, strict=strict) <= self.tolerance(pairs, i)

    def settled(self, pairs: Pairs, *, strict: bool = False) -> bool:
        """Return whether every wanted value is accurate enough."""
        return all(self.accurate(pairs, i, strict=strict) for i in self.wanted(pairs))

    def joined(self, pairs: Pairs) -> int:
        """Return how many dimensions of the wanted pairs were not locked yet."""
        return round(float(pairs.fresh[self.wanted(pairs)].sum()))

    def rivals(self, pairs: Pairs) -> list[int]:
        """Return the new pairs that are wanted, or too close to a wanted one to be told apart."""
        keys, wanted = self.key(pairs.values), self.wanted(pairs)
        reach = min(float(keys[i] - pairs.residuals[i]) for i in wanted)
        close = (keys + 2 * pairs.residuals >= reach) & pairs.new
        return [i for i in range(len(keys)) if bool(close[i])]
