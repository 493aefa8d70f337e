"""Methods for games and saddle-point problems, where curvature may be imaginary."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from passband.filters.checks import check_finite, check_positive
from passband.filters.climbing_oracles import Ascent
from passband.filters.loop import Loop
from passband.filters.oracles import Implicit
from passband.filters.response import Response
from passband.filters.sgd import sgd_loop
from passband.filters.staged import LoopFilter


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Extragradient(LoopFilter):
    r"""Gradient where a plain step would lead: ``θ ← θ − α ∇f(θ − α ∇f(θ))``.

    .. math::
        M(\lambda) = 1 - \alpha\lambda\,(1 - \alpha\lambda), \qquad
        \text{admissible} = [0,\ 1/\alpha]

    USAM with ``ρ = −α``. Rotations ``λ = ±iω`` are damped up to ``αω = 1``. Two gradients a step.

    Args:
        lr: Learning rate ``α > 0`` of both steps.

    Example:
        >>> Extragradient(lr=0.1).edge
        10.0

    References:
        Korpelevich 1976.
    """

    lr: float

    def __post_init__(self) -> None:
        check_positive(lr=self.lr)

    @property
    @override
    def response(self) -> Response:
        return Ascent(-self.lr)

    @property
    @override
    def loop(self) -> Loop:
        return sgd_loop(lr=self.lr)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Optimistic(LoopFilter):
    r"""Optimistic descent: ``θ ← θ − (α + s) g + s g₋₁``.

    .. math::
        \text{admissible} = [0,\ 2 / (\alpha + 2s)], \qquad s \ge 0.

    With ``s = α``, the classical case, rotations ``λ = ±iω`` are damped up to ``αω = 1/√3``.

    Args:
        lr: Learning rate ``α > 0``.
        strength: ``s``, how much of the last change of the gradient is anticipated.

    Example:
        >>> round(Optimistic(lr=0.1, strength=0.1).edge, 6)
        6.666667

    References:
        Popov 1980; Daskalakis et al., ICLR 2018.
    """

    lr: float
    strength: float

    def __post_init__(self) -> None:
        check_positive(lr=self.lr)
        check_finite(strength=self.strength)

    @property
    @override
    def loop(self) -> Loop:
        theta, previous, g = np.eye(3)
        changes = {
            "theta": -(self.lr + self.strength) * g + self.strength * previous,
            "gradient1": g - previous,
        }
        return Loop.from_changes(changes, point=theta, units={"gradient1": self.lr})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Proximal(LoopFilter):
    r"""The implicit step ``θ ← θ − α ∇f(θ_next)``, also called proximal point.

    .. math::
        M(\lambda) = 1 / (1 + \alpha\lambda), \qquad
        \text{admissible} = (-\infty,\ -2/\alpha] \cup [0,\ \infty)

    It lets every minimum through, however sharp, and strong saddles too. What a step costs is
    up to the inner solver: `gradients_per_step` and `mean_square_edge` are NaN.

    Args:
        lr: Step ``α > 0``.

    Example:
        >>> print(Proximal(lr=0.1).passband())
        (-inf, -20] ∪ [0, inf)
    """

    lr: float

    def __post_init__(self) -> None:
        check_positive(lr=self.lr)

    @property
    @override
    def response(self) -> Response:
        return Implicit(self.lr)

    @override
    def _rotation_edge(self) -> float:
        return math.inf

    @property
    @override
    def loop(self) -> Loop:
        return sgd_loop(lr=self.lr)
