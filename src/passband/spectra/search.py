"""The search for outer eigenpairs, and the second look for what it missed."""

import math
import time
from typing import Literal, final

import torch
from torch import Tensor

from passband.operators import LinearOperator
from passband.spectra.disagreement import ROUNDING, disagreement
from passband.spectra.extrapolation import STEPS, extrapolated
from passband.spectra.krylov import Krylov, combine, norm
from passband.spectra.progress import Listener, Step
from passband.spectra.results import Spectrum
from passband.spectra.ritz import Locked, Pairs, Side, rayleigh_ritz
from passband.spectra.start import random_direction, watched
from passband.spectra.unfinished import Unfinished

_LOOK_AT_LEAST, _LOOK_AT_MOST = 6, 12  # products of a second look that finds nothing
_LARGE, _LOOK_AT_MOST_IN_LARGE = 10_000, 10  # where products are dear; the first search cost two
_NEARLY = 30.0  # times the tolerance: an error that falls below it in one step may do so by chance
_TRUST = 5.0  # by how much extrapolation may correct an estimate from residuals
_RESERVE = 5  # Ritz vectors kept in a restart beyond the wanted ones


@final
class Search:
    """Everything a computation knows at any moment, so that it can be interrupted.

    Args:
        H: A symmetric operator.
        ends: Which values are wanted, how accurately.
        limit: Products to spend at most.
        seconds: Time to spend at most; the product that passes it is the last.
        capacity: Vectors to hold at most, as far as the wanted ones leave a choice.
        generator: Draws the random directions.
        listener: Is told about every product.

    Attributes:
        ends: Which values are wanted.
        settled: Whether the first search reached its accuracy.
        locked: Pairs that are known.
        space: The space that grows, orthogonal to the locked ones.
        matvecs: Products spent.
        stopped: Whether products or time ran out before the end.
    """

    ends: list[Side]
    matvecs: int
    locked: Locked
    space: Krylov
    settled: bool
    stopped: bool

    def __init__(
        self,
        H: LinearOperator,
        start: Tensor,
        *,
        ends: list[Side],
        limit: int,
        seconds: float,
        capacity: int,
        generator: torch.Generator,
        listener: Listener | None,
    ) -> None:
        self._H, self._limit, self._generator, self._listener = H, limit, generator, listener
        self._seconds, self._began = seconds, time.perf_counter()
        self.ends, self._product = ends, watched(H)
        wanted = sum(end.k for end in ends)
        self._enough = min(H.size, wanted + 1)
        self._capacity = max(capacity, 2 * (wanted + _RESERVE * len(ends)))
        self.matvecs = 0
        self.locked = Locked.none(start)
        self.space = self._new_space(start, self.locked)
        self.settled, self.stopped, self._looking, self._rounds = False, False, False, False
        self._trail: list[list[Tensor]] = [[] for _ in ends]

    def resume(self, begun: Unfinished) -> bool:
        """Go on where another search stopped, if one product shows that it was of this operator."""
        if len(begun.rows) > 1:
            probe, slack = begun.rows[0], 10 * begun.noise
            expected = combine(begun.projected[0], begun.rows)
            expected = expected + combine(begun.coupling[:, 0], begun.vectors)
        else:  # the second look had just begun
            probe, slack = begun.vectors[0], 2 * float(begun.residuals[0])
            expected = begun.values[0].to(probe) * probe
        error = norm(self._multiply(probe) - expected)
        eps = torch.finfo(probe.dtype).eps
        if not error <= slack + 100 * eps * (norm(expected) + begun.beta):
            return False
        self.locked = Locked(begun.vectors, begun.values, begun.residuals, begun.seen)
        self.space = self._new_space(begun.rows[0], self.locked)
        self.space.resume(begun.rows, begun.projected, begun.coupling)
        self.space.beta, self.space.noise = begun.beta, begun.noise
        self.settled = self._looking = begun.settled
        return True

    def unfinished(self) -> Unfinished | None:
        """Return what another search needs to go on, if there is more to do."""
        if self.space.full or not self.known:
            return None
        m = self.space.size + 1
        return Unfinished(
            rows=self.space.next.clone(),
            projected=self.space.projected[:m, :m].clone(),
            beta=self.space.beta,
            noise=self.space.noise,
            vectors=self.locked.vectors,
            values=self.locked.values,
            residuals=self.locked.residuals,
            coupling=self.space.coupling[:, :m].clone(),
            seen=self.locked.noise,
            settled=self.settled and len(self.locked.values) > 0,
        )

    @property
    def over(self) -> str:
        """What has run out, if anything has."""
        if self.matvecs >= self._limit:
            return f"after {self.matvecs} products"
        spent = time.perf_counter() - self._began
        return f"after {spent:.3g} s" if spent >= self._seconds and self.known else ""

    @property
    def size(self) -> int:
        """Length of the vectors."""
        return self._H.size

    @property
    def left(self) -> int:
        """Products that may still be spent; none where time is what is limited."""
        return self._limit - self.matvecs if math.isinf(self._seconds) else 0

    @property
    def known(self) -> bool:
        """Whether there is anything to answer."""
        return self.space.size + len(self.locked.values) > 0

    def pairs(self) -> Pairs:
        """Return the best pairs that are known now."""
        return rayleigh_ritz(self.space, self.locked)

    def columns(self, answer: Spectrum) -> Tensor:
        """Return the operator written out; a product a column. ``answer`` is what is shown."""
        unit = torch.zeros_like(self.space.basis[0])
        columns: list[Tensor] = []
        for j in range(self.size):
            unit[j] = 1
            columns.append(self._multiply(unit))
            unit[j] = 0
            if self._listener is not None:
                values, errors = answer.values.tolist(), answer.errors.tolist()
                self._listener(Step("writing out", self.matvecs, self._limit, values, errors))
        return torch.stack(columns, dim=1)

    def run(self, *, verify: bool) -> tuple[bool, str]:
        """Search, then look again; return whether that was conclusive, and the evidence."""
        if not self._looking:
            outcome = self._search(careful=verify)
            self.settled = outcome != "limit"
            if outcome == "limit":
                self.stopped = True
                return False, f"not verified: the search stopped {self.over}."
            if outcome == "full":
                return True, "complete: the search covered the whole space."
        if not verify:
            return False, "not verified: repeated and missed eigenvalues were not looked for."
        return self._verify()

    def _search(self, *, careful: bool) -> Literal["settled", "full", "limit"]:
        """Search until all wanted values are accurate.

        A careful search wants to see that at two steps in a row, by residuals and gaps: the
        second look builds on them. Otherwise once is enough if they were nearly accurate at the
        step before, and values that converge geometrically may be extrapolated.
        """
        streak, nearly = 0, False
        while not self.over:
            self.space.expand()
            pairs = self._tell("searching")
            if self.space.full:
                return "full"
            enough = self.space.size >= self._enough
            streak = streak + 1 if enough and all(e.settled(pairs) for e in self.ends) else 0
            excess = self._excess(pairs)
            if streak == 2 or (enough and not careful and nearly and excess <= 1):
                return "settled"
            nearly = enough and excess <= _NEARLY
            if self.space.size >= self._capacity:
                keep = {i for end in self.ends for i in end.order(pairs)[: end.k + _RESERVE]}
                kept = sorted(keep)
                self.space.compress(pairs.weights[:, kept], pairs.values[kept])
        return "limit"

    def _excess(self, pairs: Pairs) -> float:
        """Return the largest ratio of error and tolerance, errors being extrapolated."""
        ratios: list[float] = []
        for end, trail in zip(self.ends, self._trail, strict=True):
            wanted = end.wanted(pairs)
            trail[:] = [*trail[1 - STEPS :], pairs.values[wanted]]
            for i, error in zip(wanted, self.refined(end, pairs), strict=True):
                tolerance = end.tolerance(pairs, i)
                ratios.append(error / tolerance if tolerance else float(error > 0))
        return max(ratios)

    def refined(self, end: Side, pairs: Pairs) -> list[float]:
        """Return the estimated errors of the wanted values, extrapolated as far as that holds."""
        errors = [end.error(pairs, i, strict=False) for i in end.wanted(pairs)]
        ahead = extrapolated(self._trail[self.ends.index(end)])
        if len(ahead) != len(errors):
            return errors
        return [min(e, max(a, e / _TRUST)) for e, a in zip(errors, ahead, strict=True)]

    def _verify(self) -> tuple[bool, str]:
        searched, copies = self.matvecs, 0
        while True:
            if not self._looking:
                self._lock()
            self._looking = False
            outcome = self._look()
            copies += self._joined(self.pairs())
            spent = self.matvecs - searched
            more = f"; it found {copies} that the first had missed" if copies else ""
            if outcome == "full":
                return True, f"complete: the search covered the whole space{more}."
            if outcome == "closed":
                return True, f"verified: a second search of {spent} products found no more{more}."
            if outcome == "open" and not self.over:
                return False, f"not verified: {spent} products could not rule out more{more}."
            if outcome == "open":
                self.stopped = True
                return False, f"not verified: the second search stopped {self.over}{more}."

    def _look(self) -> Literal["closed", "found", "full", "open"]:
        """Grow a space beside the locked pairs until it speaks clearly."""
        closed, found = 0, 0
        most = _LOOK_AT_MOST if self._H.size < _LARGE else _LOOK_AT_MOST_IN_LARGE
        most = max(most, self.space.size + 3)  # after a break it has to speak twice again
        while not self.over and self.space.size < self._capacity:
            self.space.expand()
            pairs = self._tell("verifying")
            if self.space.full:
                return "full"
            rivals = [(end, i) for end in self.ends for i in end.rivals(pairs)]
            joined = self._joined(pairs)
            certain = all(end.settled(pairs, strict=True) for end in self.ends) and not joined
            ripe = all(end.settled(pairs) for end in self.ends) and all(
                end.accurate(pairs, i) for end, i in rivals
            )
            closed = closed + 1 if certain else 0
            found = found + 1 if ripe and (rivals or joined) and not certain else 0
            if self.space.size >= _LOOK_AT_LEAST and closed >= 2:
                return "closed"
            if found >= 2:
                return "found"
            if self.space.size >= most and not found:
                return "open"
        return "open"

    def _joined(self, pairs: Pairs) -> int:
        return sum(end.joined(pairs) for end in self.ends)

    def _lock(self) -> None:
        """Lock the wanted pairs, their rivals and those locked before; begin beside them."""
        pairs = self.pairs()
        keep = {i for end in self.ends for i in end.wanted(pairs)}
        if len(self.locked.values):
            keep |= {i for i, share in enumerate(pairs.fresh.tolist()) if share < 0.9}
            keep |= {i for end in self.ends for i in end.rivals(pairs)}
        locked = self.locked.with_pairs(pairs, sorted(keep), self.space)
        start = random_direction(self._H, self._generator)
        self.locked, self.space = locked, self._new_space(start, locked)

    def _new_space(self, start: Tensor, locked: Locked) -> Krylov:
        return Krylov(self._multiply, start, locked=locked.vectors, generator=self._generator)

    def _multiply(self, v: Tensor) -> Tensor:
        self.matvecs += 1
        return self._product(v)

    def _tell(self, phase: str) -> Pairs:
        pairs = self.pairs()
        if not self._rounds and self.space.noise > ROUNDING * (pairs.scale + self.space.beta):
            error = disagreement(self._H, self._multiply, self._generator)
            if error is not None:
                raise error
            self._rounds = True  # amplified; the error bars hold it
        if self._listener is not None:
            wanted = [(end, i) for end in self.ends for i in end.wanted(pairs)]
            values = [float(pairs.values[i]) for _, i in wanted]
            errors = [max(end.error(pairs, i, strict=False), pairs.floor) for end, i in wanted]
            self._listener(Step(phase, self.matvecs, self._limit, values, errors))
        return pairs
