"""Gradient descent, heavy ball and Nesterov momentum, as `torch.optim.SGD` has them."""

from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from passband.filters.checks import (
    PLACEMENTS,
    DecayPlacement,
    check_choice,
    check_finite,
    check_momentum,
    check_nonnegative,
    check_positive,
)
from passband.filters.loop import Loop
from passband.filters.oracles import decayed
from passband.filters.response import Response
from passband.filters.staged import LoopFilter


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SGD(LoopFilter):
    r"""The filter of ``torch.optim.SGD``, every option in torch's own convention.

    The mode is ``(θ, v)``, parameter and momentum buffer. Heavy ball is the case

    .. math::
        M(\lambda) =
        \begin{pmatrix} 1 - \alpha\lambda & -\alpha\beta \\ \lambda & \beta \end{pmatrix},
        \qquad \text{stable for } 0 < \lambda < 2\,(1 + \beta) / \alpha.

    Args:
        lr: Learning rate ``α > 0``.
        momentum: Momentum factor ``β``. Any sign, since games use negative ones; beyond ±1
            the passband is empty or excludes 0.
        dampening: Fraction of the gradient kept out of the buffer. Needs momentum.
        nesterov: Look ahead along the buffer. Needs momentum and no dampening.
        weight_decay: ``ω ≥ 0``, added to every curvature as in torch.
        decay: ``"decoupled"`` shrinks the weights by ``1 − αω`` a step instead, as AdamW does;
            ``"loss"`` is the same as ``"coupled"`` here, see `USAM`.

    Raises:
        ValueError: If an option is out of range, or useless in torch.

    Example:
        >>> SGD(lr=0.1).edge, round(SGD(lr=0.1, momentum=0.9).edge, 9)
        (20.0, 38.0)

    References:
        Polyak 1964; Nesterov 1983, in the form of Sutskever et al. 2013.
    """

    lr: float
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    decay: DecayPlacement = "coupled"

    def __post_init__(self) -> None:
        check_positive(lr=self.lr)
        check_momentum(self.momentum, nesterov=self.nesterov)
        check_nonnegative(weight_decay=self.weight_decay)
        check_finite(dampening=self.dampening)
        check_choice("decay", self.decay, PLACEMENTS)
        if self.dampening and not self.momentum:
            raise ValueError("`dampening` needs `momentum`; torch ignores it without.")
        if self.dampening and self.nesterov:
            raise ValueError("`nesterov` needs `dampening=0`, as in torch.")

    @property
    @override
    def response(self) -> Response:
        return decayed(0.0 if self.decay == "decoupled" else self.weight_decay)

    @property
    @override
    def loop(self) -> Loop:
        return sgd_loop(
            lr=self.lr,
            momentum=self.momentum,
            dampening=self.dampening,
            nesterov=self.nesterov,
            shrink=self.weight_decay if self.decay == "decoupled" else 0.0,
        )


def sgd_loop(
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    shrink: float = 0.0,
) -> Loop:
    """Return the loop of `torch.optim.SGD`: its lines, on the forms of θ, buffer and gradient.

    ``shrink`` is decoupled weight decay: every step takes ``lr · shrink`` of the weights away.
    """
    if not momentum:
        theta, g = np.eye(2)
        return Loop.from_changes({"theta": -lr * (g + shrink * theta)}, point=theta)
    theta, v, g = np.eye(3)
    buffer = momentum * v + (1 - dampening) * g
    d = g + momentum * buffer if nesterov else buffer
    changes = {"theta": -lr * (d + shrink * theta), "buffer": buffer - v}
    return Loop.from_changes(changes, point=theta, units={"buffer": lr})
