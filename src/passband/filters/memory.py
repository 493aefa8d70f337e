"""One gradient a step, and a memory of earlier ones: quasi-hyperbolic, derivative, secant.

The methods that shape the edge with past gradients take theirs at ``y = x + Σⱼ wⱼ g₋ⱼ``, where x
moves as under heavy ball and ``g₋ⱼ`` is the gradient j steps ago. The parameter of the optimizer
is the gradient point y, as in torch's Nesterov momentum, so no weights are ever displaced. Noise
is that of the base point x, which is what to evaluate: ``y − Σⱼ wⱼ g₋ⱼ``.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from passband.filters.checks import (
    check_finite,
    check_momentum,
    check_nonnegative,
    check_positive,
)
from passband.filters.loop import Loop
from passband.filters.oracles import decayed
from passband.filters.response import Response
from passband.filters.staged import LoopFilter


def memory_loop(*, lr: float, momentum: float, weights: tuple[float, ...]) -> Loop:
    """Return the loop of heavy ball with its gradient at ``x + Σⱼ wⱼ g₋ⱼ``.

    Args:
        lr: Learning rate.
        momentum: Heavy ball on x.
        weights: ``w₁, w₂, …`` of the last gradient, the one before, and so on.
    """
    depth = len(weights)
    unit = np.eye(1 + bool(momentum) + depth + 1)
    theta, g = unit[0], unit[-1]
    previous = unit[1 + bool(momentum) : -1]
    v = unit[1] if momentum else np.zeros_like(g)
    buffer = momentum * v + g
    newer = [g, *previous[:-1]]
    changes = {"theta": -lr * buffer + np.array(weights) @ (np.array(newer) - previous)}
    if momentum:
        changes["buffer"] = buffer - v
    for age, (new, old) in enumerate(zip(newer, previous, strict=True), start=1):
        changes[f"gradient{age}"] = new - old
    units = {slot: lr for slot in changes if slot != "theta"}
    base = theta - np.array(weights) @ previous
    return Loop.from_changes(changes, point=theta, weights=base, units=units)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory(LoopFilter):
    """Heavy ball with its gradient where earlier gradients point."""

    lr: float
    strength: float
    momentum: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_positive(lr=self.lr)
        check_finite(strength=self.strength)
        check_momentum(self.momentum, nesterov=False)
        check_nonnegative(weight_decay=self.weight_decay)

    @property
    @abstractmethod
    def weights(self) -> tuple[float, ...]:
        """Weights of the last gradient, the one before, and so on."""

    @property
    @final
    @override
    def response(self) -> Response:
        return decayed(self.weight_decay)

    @property
    @final
    @override
    def loop(self) -> Loop:
        return memory_loop(lr=self.lr, momentum=self.momentum, weights=self.weights)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DerivativeAction(_Memory):
    r"""Gradient at ``x − s g₋₁``: a lower edge for one gradient a step.

    .. math::
        \text{admissible} = [0,\ C / (1 + C s)], \qquad C = 2\,(1 + \beta) / \alpha,
        \quad 0 \le \beta < 1,\ s \ge 0.

    The mode at the edge alternates, so a step *down* the previous gradient is a step up the
    next. It admits no saddle, and un-regularizes ``‖∇f‖`` on smooth stretches: κ falls by s. A
    negative strength is stale ascent, which raises the edge, up to a point.

    Args:
        lr: Learning rate ``α > 0``.
        strength: ``s``, in 1/curvature; ``1/E − 1/C`` for an edge of E.
        momentum: Heavy ball on x.
        weight_decay: ``ω ≥ 0``, added to the gradient, so to every curvature.

    Example:
        >>> print(DerivativeAction(lr=0.04, strength=0.03, momentum=0.8).passband())
        [0, 24.3243]
    """

    @property
    @override
    def weights(self) -> tuple[float, ...]:
        return (-self.strength,)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Secant(_Memory):
    r"""Gradient at ``x − (r/2) (g₋₁ − g₋₂)``: as `DerivativeAction`, but κ is left alone.

    .. math::
        \text{admissible} = [0,\ C / (1 + C r)], \qquad C = 2\,(1 + \beta) / \alpha,
        \quad 0 \le \beta \le 0.91,\ r \ge 0.

    With more momentum a pair of multipliers leaves first and the edge is lower than that.

    Args:
        lr: Learning rate ``α > 0``.
        strength: ``r``, in 1/curvature.
        momentum: Heavy ball on x.
        weight_decay: ``ω ≥ 0``, added to the gradient, so to every curvature.

    Example:
        >>> print(Secant(lr=0.04, strength=0.03, momentum=0.8).passband())
        [0, 24.3243]
    """

    @property
    @override
    def weights(self) -> tuple[float, ...]:
        return (-self.strength / 2, self.strength / 2)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Parity(_Memory):
    r"""Gradient at ``x + r g₋₂``: flattens on smooth stretches too, κ rises by r.

    .. math::
        \text{admissible} = [0,\ C / (1 + C r)], \qquad C = 2\,(1 + \beta) / \alpha,
        \quad 0 \le \beta \le 0.41,\ r \ge 0.

    Args:
        lr: Learning rate ``α > 0``.
        strength: ``r``, in 1/curvature.
        momentum: Heavy ball on x.
        weight_decay: ``ω ≥ 0``, added to the gradient, so to every curvature.

    Example:
        >>> round(Parity(lr=1.0, strength=1.5).edge, 9)
        0.5
    """

    @property
    @override
    def weights(self) -> tuple[float, ...]:
        return (0.0, self.strength)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MixedMemory(_Memory):
    r"""Gradient at ``x − (r/4) g₋₁ + (3r/4) g₋₂``, between `Secant` and `Parity`.

    .. math::
        \text{admissible} = [0,\ C / (1 + C r)], \qquad C = 2\,(1 + \beta) / \alpha,
        \quad 0 \le \beta \le 0.70,\ r \ge 0.

    κ rises by r/2. Arguments as in `Parity`.

    Example:
        >>> round(MixedMemory(lr=1.0, strength=1.5).edge, 9)
        0.5
    """

    @property
    @override
    def weights(self) -> tuple[float, ...]:
        return (-self.strength / 4, 3 * self.strength / 4)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ExtrapolatedNesterov(LoopFilter):
    r"""Nesterov momentum that looks further ahead: gradient at ``x + c (x − x₋₁)``.

    .. math::
        \text{admissible} = [0,\ 2\,(1 + \beta) / (\alpha\,(1 + 2c))],
        \qquad 0 \le \beta < 1,\ c \ge 0.

    ``c = 0`` is heavy ball, ``c = β`` Nesterov; beyond, an even lower edge for one gradient and no
    further memory. The parameter of the optimizer is the gradient point.

    Args:
        lr: Learning rate ``α > 0``.
        momentum: ``β``, which carries the previous move over.
        extrapolation: ``c``, how many previous moves ahead the gradient is taken.
        weight_decay: ``ω ≥ 0``, added to the gradient, so to every curvature.

    Example:
        >>> print(ExtrapolatedNesterov(lr=0.04, momentum=0.8, extrapolation=2.0).passband())
        [0, 18]
    """

    lr: float
    momentum: float
    extrapolation: float
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_positive(lr=self.lr)
        check_finite(momentum=self.momentum, extrapolation=self.extrapolation)
        check_nonnegative(weight_decay=self.weight_decay)

    @property
    @override
    def response(self) -> Response:
        return decayed(self.weight_decay)

    @property
    @override
    def loop(self) -> Loop:
        ahead = self.extrapolation
        theta, v, g = np.eye(3)
        d = (1 + ahead) * g + (self.momentum * (1 + ahead) - ahead) * v
        changes = {"theta": -self.lr * d, "buffer": self.momentum * v + g - v}
        base = theta + self.lr * ahead * v
        units = {"buffer": self.lr}
        return Loop.from_changes(changes, point=theta, weights=base, units=units)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class QHM(LoopFilter):
    r"""Quasi-hyperbolic momentum: a mix of the gradient and its running average.

    .. math::
        \text{edge} = \frac{2\,(1 + \beta)}{\alpha\,(1 + \beta - 2\nu\beta)} \quad (0 \le \nu \le 1)

    ``ν = 0`` is gradient descent, ``ν = 1`` averaged momentum. The average forgets by ``β`` and
    takes ``1 − β`` of the gradient, so the gain is α whatever β.

    Args:
        lr: Learning rate ``α > 0``.
        momentum: Decay ``β`` of the average.
        nu: Weight ``ν`` of the average in the step.

    Example:
        >>> round(QHM(lr=0.1, momentum=0.5, nu=1.0).edge, 9)
        60.0

    References:
        Ma, Yarats, *Quasi-hyperbolic momentum and Adam*, ICLR 2019, arXiv 1810.06801.
    """

    lr: float
    momentum: float
    nu: float

    def __post_init__(self) -> None:
        check_positive(lr=self.lr)
        check_finite(momentum=self.momentum, nu=self.nu)

    @property
    @override
    def loop(self) -> Loop:
        theta, m, g = np.eye(3)
        average = self.momentum * m + (1 - self.momentum) * g
        d = (1 - self.nu) * g + self.nu * average
        changes = {"theta": -self.lr * d, "average": average - m}
        return Loop.from_changes(changes, point=theta, units={"average": self.lr})
