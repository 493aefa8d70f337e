"""What distributed training does to a filter: delays, compression, local steps."""

from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from passband.filters.checks import (
    check_count,
    check_finite,
    check_positive,
    check_share,
    check_whole,
)
from passband.filters.cycle import Stage
from passband.filters.loop import Loop
from passband.filters.oracles import Contraction
from passband.filters.response import Response
from passband.filters.sgd import sgd_loop
from passband.filters.staged import LoopFilter


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Delayed(LoopFilter):
    r"""Gradient descent with gradients that are d steps old: ``θ ← θ − α ∇f(θ₋ᵈ)``.

    .. math::
        \text{admissible} = \Bigl[0,\ \frac2\alpha \sin\frac{\pi}{2\,(2d + 1)}\Bigr]

    The mode at the edge rotates, by ``π / (2d + 1)`` a step.

    Args:
        lr: Learning rate ``α > 0``.
        delay: Age ``d ≥ 0`` of a gradient in steps: asynchronous workers, pipeline stages.

    Example:
        >>> round(Delayed(lr=0.04, delay=3).edge, 6)
        11.126047
    """

    lr: float
    delay: int

    def __post_init__(self) -> None:
        check_positive(lr=self.lr)
        check_whole(delay=self.delay)

    @property
    @override
    def loop(self) -> Loop:
        *history, g = np.eye(self.delay + 2)
        changes = {"theta": -self.lr * g}
        for age in range(1, self.delay + 1):
            changes[f"theta{age}"] = history[age - 1] - history[age]
        return Loop.from_changes(changes, point=history[-1], weights=history[0])


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EF21(LoopFilter):
    r"""Gradient descent with EF21 compression, by a compressor that keeps a fraction c.

    .. math::
        \text{admissible} = [0,\ 2\,(2 - c) / (\alpha\,c)]

    Workers send c times the change of their gradient: averaged momentum with ``β = 1 − c``.

    Args:
        lr: Learning rate ``α > 0``.
        compression: Fraction ``0 < c ≤ 1`` that is sent; 1 is no compression.

    Example:
        >>> round(EF21(lr=0.1, compression=0.5).edge, 9)
        60.0

    References:
        Richtárik, Sokolov, Fatkhullin, *EF21*, NeurIPS 2021; arXiv 2410.16871.
    """

    lr: float
    compression: float

    def __post_init__(self) -> None:
        check_positive(lr=self.lr)
        check_share(compression=self.compression)

    @property
    @override
    def loop(self) -> Loop:
        theta, v, g = np.eye(3)
        moved = theta - self.lr * v
        changes = {"theta": moved - theta, "estimate": self.compression * (g - v)}
        return Loop.from_changes(changes, point=moved, weights=theta, units={"estimate": self.lr})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSGD(LoopFilter):
    r"""K local steps of gradient descent, then an outer Nesterov step along the progress: DiLoCo.

    .. math::
        \sigma = 1 - (1 - \alpha\lambda)^K, \qquad
        M = \begin{pmatrix} 1 - \alpha_o (1 + \beta_o)\,\sigma & -\alpha_o \beta_o^2 \\
                            \sigma & \beta_o \end{pmatrix}

    A transition is one outer step. An even K has an island that ends at ``2/α``, if the outer step
    alone has an edge below 1; otherwise ``2/α`` is the edge.

    Args:
        lr: Learning rate ``α > 0`` of the local steps.
        steps: Local steps ``K ≥ 1``.
        outer_lr: Outer learning rate ``α_o``; 1 without outer momentum is plain averaging.
        outer_momentum: Outer Nesterov momentum ``β_o``.

    Example:
        >>> print(LocalSGD(lr=0.04, steps=4, outer_lr=1.6, outer_momentum=0.8).passband())
        [0, 9.85694] ∪ [40.1431, 50]

    References:
        Stich, *Local SGD*, ICLR 2019; Douillard et al., *DiLoCo*, 2023.
    """

    lr: float
    steps: int
    outer_lr: float = 1.0
    outer_momentum: float = 0.0

    def __post_init__(self) -> None:
        check_positive(lr=self.lr, outer_lr=self.outer_lr)
        check_count(steps=self.steps)
        check_finite(outer_momentum=self.outer_momentum)

    @property
    @override
    def period(self) -> int:
        return self.steps

    @property
    @override
    def gradients_per_step(self) -> float:
        return 1

    @property
    @override
    def memory(self) -> float:
        return len(self.loop.b)  # the outer weights too

    @property
    @override
    def response(self) -> Response:
        return Contraction(self.lr, self.steps)

    @property
    @override
    def loop(self) -> Loop:
        momentum = self.outer_momentum
        return sgd_loop(lr=self.outer_lr, momentum=momentum, nesterov=bool(momentum))

    @property
    @override
    def stages(self) -> tuple[Stage, ...]:
        theta, outer, v, none = np.eye(4)
        progress = outer - theta
        buffer = self.outer_momentum * v + progress
        step = progress + self.outer_momentum * buffer if self.outer_momentum else progress
        after = outer - self.outer_lr * step
        changes = {"theta": after - theta, "outer theta": after - outer, "outer buffer": buffer - v}
        units = {"outer buffer": self.outer_lr}
        meeting = Loop.from_changes(changes, point=0 * none, weights=theta, units=units)
        local = Stage(sgd_loop(lr=self.lr))
        return (*[local] * self.steps, Stage(meeting))
