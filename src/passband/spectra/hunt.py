"""The hunt for eigenvalues of largest modulus, and the second look for what it missed."""

from collections.abc import Callable
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor

from passband.spectra.arnoldi import Arnoldi
from passband.spectra.modes import CAUTION, Modes, modes

_LOOK_AT_LEAST, _LOOK_AT_MOST = 6, 20  # products of a second look that finds nothing
_RESERVE = 6  # values kept in a restart beyond the wanted ones
_ALWAYS = 24  # spaces up to this size are looked at after every product, larger ones now and then


@final
class Hunt:
    """One side of a computation: everything that is known of ``A``, or of ``Aᵀ``.

    Args:
        multiply: The product.
        start: Where to begin.
        k: How many values are wanted.
        rtol: Relative accuracy that is wanted.
        capacity: Vectors to hold at most, as far as the wanted ones leave a choice.
        generator: Draws the random directions.

    Attributes:
        space: The space that grows.
        matvecs: Products spent.
        settled: Whether all wanted values are accurate.
        found: Values that a second look has added.
        conditions: By how much the condition numbers are larger than they look from within.
    """

    space: Arnoldi
    matvecs: int
    settled: bool
    found: int
    conditions: float

    def __init__(
        self,
        multiply: Callable[[Tensor], Tensor],
        start: Tensor,
        *,
        k: int,
        rtol: float,
        capacity: int,
        generator: torch.Generator,
    ) -> None:
        self._k, self._rtol = k, rtol
        self._enough = min(len(start), k + 2)
        self._capacity = max(capacity, 2 * (k + _RESERVE))
        self._multiply = multiply
        self.space = Arnoldi(self._counted, start, generator=generator)
        self.matvecs, self.settled, self.found, self.conditions = 0, False, 0, 1.0

    def modes(self) -> Modes:
        """Return the best pairs that are known now."""
        return modes(self.space, k=self._k)

    def search(self, limit: int) -> None:
        """Expand until two steps in a row find all wanted values accurate."""
        streak, self.settled, end = 0, self.space.full, self.matvecs + limit
        while self.matvecs < end and not self.settled:
            self.space.expand()
            m, last = self.space.size, self.matvecs == end
            full = self.space.full
            crowded = m >= self._capacity and not full
            if m < self._enough or not (m <= _ALWAYS or m % 4 < 2 or crowded or last or full):
                continue
            now = self.modes()
            streak = streak + 1 if self._accurate(now) else 0
            self.settled = full or streak == 2
            if crowded and not self.settled:
                self.space.restart(now.least(now.leading + _RESERVE))

    def look(self, limit: int) -> Literal["closed", "full", "open"]:
        """Look beside what is known until it is clear whether anything is missing."""
        end = self.matvecs + limit
        while not self.space.full:
            known = self.modes()
            self.space.lock(known.least(known.leading))
            if self.space.full:
                break
            outcome = self._beside(known, end)
            if outcome != "found":
                return outcome
        return "full"

    def _beside(self, known: Modes, end: int) -> Literal["closed", "open", "found"]:
        """Grow a space beside the locked rows until it speaks clearly."""
        least = np.abs(known.values[known.leading - 1])
        slack = known.tolerances(self._rtol)[known.leading - 1]
        closed, found = 0, 0
        while self.matvecs < end:
            self.space.expand()
            beside = modes(self.space, k=1, beside=True)
            errors, sizes = CAUTION * beside.conditions * beside.residuals, np.abs(beside.values)
            near, beyond = sizes + errors > least + slack, sizes > least + slack
            closed = 0 if near.any() else closed + 1
            found = found + 1 if near.any() and (errors[near] <= slack).all() else 0
            steps = self.space.size - self.space.locked
            if found >= 2 or (self.space.full and beyond.any()):
                self.found += int(beyond.sum())
                return "found"
            if self.space.full or (steps >= _LOOK_AT_LEAST and closed >= 2):
                return "closed"
            if steps >= _LOOK_AT_MOST and not beyond.any():
                return "open"
        return "open"

    def _accurate(self, now: Modes) -> bool:
        errors = CAUTION * self.conditions * now.conditions * now.residuals
        return bool((errors <= now.tolerances(self._rtol))[: now.leading].all())

    def _counted(self, v: Tensor) -> Tensor:
        self.matvecs += 1
        return self._multiply(v)
