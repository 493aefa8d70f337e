"""Averages of weights: Lookahead, Schedule-Free, and averages that no gradient feels."""

from dataclasses import KW_ONLY, dataclass
from typing import final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Float, Num
from passband.filters.base import Curvature, Filter
from passband.filters.checks import (
    check_below_one,
    check_count,
    check_finite,
    check_positive,
    check_share,
)
from passband.filters.crossings import admissible_set, polynomial_conditions
from passband.filters.cycle import Cycle, Stage, after, composed
from passband.filters.loop import Loop, free_slot, is_position
from passband.filters.oracles import Contraction, chain
from passband.filters.passband import Passband
from passband.filters.sgd import sgd_loop
from passband.filters.staged import CycleFilter, LoopFilter


@final
@dataclass(frozen=True, slots=True)
class Lookahead(Filter):
    r"""Lookahead: every k steps the slow weights move a part ζ of the way to the fast ones.

    Over gradient descent ``M(λ) = 1 − ζ + ζ (1 − αλ)ᵏ``, a wider passband. Over momentum there is
    no such rule: **the edge can drop, and islands appear.** Compute it.

    Args:
        base: The fast optimizer.
        k: Steps of it between two meetings.
        alpha: Part ``0 < ζ ≤ 1`` of the way.
        reset: Whether buffers are emptied at a meeting; by default they are kept. Positions that
            the base remembers are kept in any case; a copy of its parameters moves with them.

    Example:
        >>> from passband.filters import SGD
        >>> print(Lookahead(SGD(lr=0.04, momentum=0.8), k=5, alpha=0.5).passband())
        [0, 84.1265]

    References:
        Zhang, Lucas, Ba, Hinton, *Lookahead optimizer*, NeurIPS 2019.
    """

    base: Filter
    _: KW_ONLY
    k: int
    alpha: float
    reset: bool = False

    def __post_init__(self) -> None:
        check_part("base", self.base)
        check_count(k=self.k)
        check_share(alpha=self.alpha)

    @property
    @override
    def curvature(self) -> Curvature:
        return self.base.curvature

    @property
    @override
    def period(self) -> int:
        return self.k * self.base.period

    @property
    @override
    def stages(self) -> tuple[Stage, ...]:
        inner = self.base.stages
        slots = Cycle.of(inner).slots
        name = free_slot("slow theta", slots)
        state = dict(zip((*slots, name, "none"), np.eye(len(slots) + 2), strict=True))
        fast, slow, none = state["theta"], state[name], 0 * state["none"]
        meeting = (1 - self.alpha) * slow + self.alpha * fast
        changes = {slot: -state[slot] if self._empties(slot) else none for slot in slots}
        changes |= {slot: meeting - state[slot] for slot in _copies(Cycle.of(inner))}
        changes |= {name: meeting - slow}
        return (*inner * self.k, Stage(Loop.from_changes(changes, point=none, weights=fast)))

    @property
    @override
    def gradients_per_step(self) -> float:
        return self.base.gradients_per_step

    @property
    @override
    def memory(self) -> float:
        return self.base.memory + 1

    def _empties(self, slot: str) -> bool:
        return self.reset and not is_position(slot)

    def _change(self, fast: Cycle, lam: Num[ndarray, "*batch"]) -> Num[ndarray, "*batch s s"]:
        """Return ``M(λ) − I`` from meeting to meeting, where fast and slow weights are one."""
        forward = composed([(fast.change(lam), self.k)], then=after)
        emptied = np.array([float(self._empties(slot)) for slot in fast.slots])
        copies = _copies(fast)
        kept = np.where([slot in copies for slot in fast.slots], self.alpha, 1 - emptied)
        return kept[:, None] * forward - np.diag(emptied)

    @override
    def _transition(self, lam: Num[ndarray, "*batch"]) -> Num[ndarray, "*batch s s"]:
        E = self._change(Cycle.of(self.base.stages), lam)
        return np.eye(E.shape[-1]) + E

    @override
    def _passband(self) -> Passband:
        base, fast = self.base, Cycle.of(self.base.stages, scaled=True)
        if isinstance(base, LoopFilter) and len(base.loop.b) == 1 and not base.loop.D.any():
            # without memory, M = 1 − ζ + ζ (1 − αh)ᵏ: descent on what k steps take away
            taken_away = Contraction(float(-base.loop.b @ base.loop.c), self.k)
            outer = sgd_loop(lr=self.alpha).admissible()
            return chain(base.response, taken_away).preimage(outer)

        def change(lam: ndarray) -> ndarray:
            return self._change(fast, lam)

        conditions = polynomial_conditions(
            change, size=len(fast.slots), degree=self.k * fast.degree, scale=fast.scale
        )
        return admissible_set(change, conditions)

    @property
    @override
    def _units(self) -> Float[ndarray, " s"]:
        return Cycle.of(self.base.stages).units


@final
@dataclass(frozen=True, slots=True)
class WeightAverage(CycleFilter):
    r"""A running average of the weights that no gradient feels: EMA, SWA.

    It filters what comes out, not what is stable: the passband is that of the base, the noise of
    the weights that count is lower.

    Args:
        base: The optimizer.
        decay: How much of the average is kept at a step, ``0 ≤ decay < 1``.

    Example:
        >>> from passband.filters import SGD
        >>> averaged = WeightAverage(SGD(lr=0.1), decay=0.99)
        >>> print(averaged.passband(), averaged.noise(1.0) < SGD(lr=0.1).noise(1.0))
        [0, 20] True
    """

    base: Filter
    _: KW_ONLY
    decay: float

    def __post_init__(self) -> None:
        check_part("base", self.base)
        check_below_one(decay=self.decay)

    @property
    @override
    def curvature(self) -> Curvature:
        return self.base.curvature

    @property
    @override
    def period(self) -> int:
        return self.base.period

    @property
    @override
    def stages(self) -> tuple[Stage, ...]:
        theta, average, none = np.eye(3)
        name = free_slot("average of theta", Cycle.of(self.base.stages).slots)
        changes = {"theta": 0 * none, name: (1 - self.decay) * (theta - average)}
        averaging = Loop.from_changes(changes, point=0 * none, weights=average)
        return (*self.base.stages, Stage(averaging))

    @override
    def _passband(self) -> Passband:
        return self.base.passband()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFree(LoopFilter):
    r"""Schedule-Free SGD, its averaging weight frozen.

    .. math::
        \text{edge} = \frac{2\,(2 - c)}{\alpha\,\bigl((2 - c)(1 - \beta) + c\beta\bigr)}
        \;\longrightarrow\; \frac{2}{\alpha\,(1 - \beta)} \quad (c \to 0)

    The gradient is taken at ``y = (1 − β) z + β x``; ``z ← z − α g``; ``x ← (1 − c) x + c z``.

    Args:
        lr: Learning rate ``α > 0``.
        momentum: Interpolation ``β``.
        averaging: Weight ``0 < c ≤ 1`` of the newest z in x, ``1/k`` at step k; by default that
            of step 1000.

    Example:
        >>> round(ScheduleFree(lr=0.04, momentum=0.8, averaging=0.1).edge, 6)
        206.521739

    References:
        Defazio et al., *The road less scheduled*, NeurIPS 2024.
    """

    lr: float
    momentum: float = 0.9
    averaging: float = 1e-3

    def __post_init__(self) -> None:
        check_positive(lr=self.lr)
        check_finite(momentum=self.momentum)
        check_share(averaging=self.averaging)

    @property
    @override
    def loop(self) -> Loop:
        z, x, g = np.eye(3)
        y = (1 - self.momentum) * z + self.momentum * x
        stepped = z - self.lr * g
        changes = {"z theta": stepped - z, "theta": self.averaging * (stepped - x)}
        return Loop.from_changes(changes, point=y, weights=x)


def _copies(base: Cycle) -> list[str]:
    """Return the slots that hold the parameters at the end of a period, whatever came before."""
    M = np.eye(len(base.slots)) + base.change(base.scale * np.array([-0.7, 0.3, 1.1]))
    theta = M[:, [base.slots.index("theta")]]
    rounding = 1e-12 * np.abs(M).max(axis=(1, 2), keepdims=True)
    differing = (np.abs(M - theta) > rounding).any(axis=(0, 2))
    return [base.slots[i] for i in np.flatnonzero(~differing)]


def check_part(name: str, base: Filter) -> None:
    """Raise unless a filter can be a part of a longer period."""
    if not isinstance(base, Filter):  # pyright: ignore[reportUnnecessaryIsInstance] - users may err
        raise TypeError(f"`{name}` must be a filter; got {base!r}.")
    if not base.stages or not Cycle.of(base.stages).is_polynomial:
        raise ValueError(
            f"`{name}` must be a filter whose update is known and polynomial in λ; got {base!r}."
        )
