"""Optimizers that do different things at different steps: Floquet products."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from passband.filters.averaging import check_part
from passband.filters.base import Curvature, Filter
from passband.filters.checks import check_count, check_finite, check_momentum, check_positive
from passband.filters.climbing_oracles import Ascent
from passband.filters.cycle import Cycle, Stage
from passband.filters.loop import Loop
from passband.filters.sgd import sgd_loop
from passband.filters.staged import CycleFilter


@final
@dataclass(frozen=True, slots=True)
class Schedule(CycleFilter):
    """Filters that take turns: ``M(λ)`` is the product of their matrices, the first one first.

    Cyclic learning rates, alternating optimizers, an ascent every few steps. A warm-up or a decay
    is no such schedule: there the last constant phase decides, and that is a filter of its own.

    State is found by its name. A filter without momentum leaves the buffer alone, as torch does;
    filters of which each needs a memory that the other lacks cannot take turns.

    Args:
        filters: The filters of one period, in order.

    Raises:
        ValueError: If the filters have no common state, or the period is too long (a
            polynomial of degree 400).

    Example:
        Two learning rates far apart leave a gap.

        >>> from passband.filters import SGD
        >>> print(Schedule([SGD(lr=0.09), SGD(lr=0.01)]).passband())
        [0, 26.1583] ∪ [84.9528, 111.111]
    """

    filters: Sequence[Filter]

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", tuple(self.filters))
        if not self.filters:
            raise ValueError("`Schedule` needs at least one filter; got none.")
        for position, filter in enumerate(self.filters):
            check_part(f"filters[{position}]", filter)
        if len({filter.curvature for filter in self.filters}) > 1:
            plain = next(f for f in self.filters if f.curvature == "plain")
            other = next(f for f in self.filters if f.curvature != "plain")
            raise ValueError(
                f"filters that take turns need one curvature; λ is the Hessian's of {plain!r}, and "
                f"a preconditioned one of {other!r}: these have no modes in common."
            )
        states = [set(Cycle.of(filter.stages).slots) for filter in self.filters]
        largest = max(states, key=len)
        for filter, state in zip(self.filters, states, strict=True):
            if not state <= largest:
                raise ValueError(
                    f"filters that take turns need a common state; {filter!r} keeps "
                    f"{sorted(state)}, another one {sorted(largest)}."
                )

    @property
    @override
    def curvature(self) -> Curvature:
        return self.filters[0].curvature

    @property
    @override
    def period(self) -> int:
        return sum(filter.period for filter in self.filters)

    @property
    @override
    def stages(self) -> tuple[Stage, ...]:
        return tuple(stage for filter in self.filters for stage in filter.stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sometimes(CycleFilter):
    """SGD that looks uphill once in a period."""

    lr: float
    rho: float
    every: int
    momentum: float = 0.0

    def __post_init__(self) -> None:
        check_positive(lr=self.lr)
        check_finite(rho=self.rho)
        check_count(every=self.every)
        check_momentum(self.momentum, nesterov=False)

    @property
    @final
    @override
    def period(self) -> int:
        return self.every


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodicAscent(_Sometimes):
    r"""USAM at one step of p, SGD at the others.

    .. math::
        M(\lambda) = (1 - \alpha\lambda)^{p-1}\,(1 - \alpha\lambda - \alpha\rho\lambda^2)

    A bad idea: ``M(1/α) = 0`` for every ρ, so there is no guarantee below ``1/α``; islands occur
    and the edge jumps as ρ grows. A transition is p steps.

    Args:
        lr: Learning rate ``α > 0``.
        rho: Ascent step ``ρ``.
        every: Period ``p ≥ 1``.
        momentum: Heavy ball.

    Example:
        >>> print(PeriodicAscent(lr=1.0, rho=10.0, every=2).passband())
        [-0.463325, -0.184429] ∪ [0, 0.5] ∪ [0.863325, 1.08443]
    """

    @property
    @override
    def stages(self) -> tuple[Stage, ...]:
        loop = sgd_loop(lr=self.lr, momentum=self.momentum)
        return (Stage(loop, Ascent(self.rho)), *[Stage(loop)] * (self.every - 1))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAscent(_Sometimes):
    r"""The displacement ``ρ ∇f`` is refreshed at one step of p and held: LookSAM, unnormalized.

    .. math::
        M(\lambda) = (1 - \alpha\lambda)^p\,(1 + \rho\lambda) - \rho\lambda

    An odd p admits an interval. An even one admits a neighborhood of ``2/α``: as an island once ρα
    is above about 0.9 (p = 2; less for longer periods), below as the end of ``[0, 2/α]``. Both
    leak for ``ρ > 0``. ``1 + 1/p`` gradients a step. A transition is p steps. Arguments as in
    `PeriodicAscent`.

    Example:
        >>> print(HeldAscent(lr=1.0, rho=18 / 7, every=3).passband())
        [-0.625142, -0.388889] ∪ [0, 0.5]

    References:
        Liu et al., *LookSAM*, CVPR 2022, arXiv 2203.02714.
    """

    @property
    @override
    def stages(self) -> tuple[Stage, ...]:
        theta, ahead, g = np.eye(3)
        refresh = Loop.from_changes({"theta": 0 * g, "ascent": self.rho * g - ahead}, point=theta)
        unit = np.eye(4) if self.momentum else np.eye(3)
        theta, ahead, g = unit[0], unit[-2], unit[-1]
        v = unit[1] if self.momentum else 0 * g
        buffer = self.momentum * v + g
        changes = {"theta": -self.lr * buffer}
        if self.momentum:
            changes["buffer"] = buffer - v
        changes["ascent"] = 0 * g
        step = Loop.from_changes(
            changes, point=theta + ahead, weights=theta, units={"buffer": self.lr}
        )
        held = [Stage(step)] * (self.every - 1)
        return (Stage(refresh), Stage(step, fresh=False), *held)
