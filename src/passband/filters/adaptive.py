"""Adaptive optimizers with their preconditioner P frozen, in preconditioned curvature.

Here λ is an eigenvalue of ``P^(-1/2) H P^(-1/2)``, with P the diagonal that divides the step now.
P keeps changing, so an edge is a snapshot; above it the second moments grow and push the
curvature back. Bias corrections have died out.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from passband.filters.base import Curvature
from passband.filters.checks import (
    check_betas,
    check_momentum,
    check_nonnegative,
    check_positive,
)
from passband.filters.loop import Loop
from passband.filters.sgd import sgd_loop
from passband.filters.staged import LoopFilter


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RMSprop(LoopFilter):
    r"""The filter of ``torch.optim.RMSprop``, and without momentum of Adagrad.

    That of SGD in preconditioned curvature, ``2 (1 + β) / α``. Weight decay is part of the
    gradient that is preconditioned: have it in H.

    Args:
        lr: Learning rate ``α > 0``.
        momentum: Heavy ball ``β`` on the preconditioned gradient.

    Example:
        >>> RMSprop(lr=0.01).edge
        200.0

    References:
        Tieleman, Hinton 2012; Cohen et al., arXiv 2207.14484.
    """

    lr: float
    momentum: float = 0.0

    def __post_init__(self) -> None:
        check_positive(lr=self.lr)
        check_momentum(self.momentum, nesterov=False)

    @property
    @override
    def loop(self) -> Loop:
        return sgd_loop(lr=self.lr, momentum=self.momentum)

    @property
    @override
    def curvature(self) -> Curvature:
        return "preconditioned"

    @property
    @override
    def memory(self) -> float:
        return len(self.loop.b)  # the squares too


@dataclass(frozen=True, slots=True, kw_only=True)
class _Averaged(LoopFilter):
    """Momentum as a running average of preconditioned gradients."""

    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    decoupled: bool = False

    _nesterov: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_positive(lr=self.lr)
        check_betas(self.betas)
        check_nonnegative(weight_decay=self.weight_decay)

    @property
    @final
    @override
    def loop(self) -> Loop:
        return average_loop(
            lr=self.lr,
            beta=self.betas[0],
            nesterov=self._nesterov,
            shrink=self.weight_decay if self.decoupled else 0.0,
        )

    @property
    @final
    @override
    def curvature(self) -> Curvature:
        return "preconditioned"

    @property
    @final
    @override
    def memory(self) -> float:
        return 2  # both moments


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Adam(_Averaged):
    r"""The filter of ``torch.optim.Adam`` with frozen P.

    .. math::
        \text{edge} = \frac{2\,(1 + \beta_1)}{(1 - \beta_1)\,\alpha}

    Args:
        lr: Learning rate ``α > 0``.
        betas: Forgetting factors; the second only says how long P stays frozen.
        weight_decay: ``ω ≥ 0``. Coupled, it is part of the gradient that is preconditioned: have
            it in H, so it does not appear here. Decoupled, it shrinks the weights by ``1 − αω``.
        decoupled: As in ``torch.optim.AdamW``.

    Example:
        >>> round(Adam(lr=0.001).edge, 6)
        38000.0

    References:
        Kingma, Ba 2015; Cohen et al., *Adaptive gradient methods at the edge of stability*,
        arXiv 2207.14484.
    """


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AdamW(_Averaged):
    r"""The filter of ``torch.optim.AdamW`` with frozen P.

    .. math::
        -\omega \le \lambda \le \frac{1 + \beta_1}{1 - \beta_1} \left(\frac2\alpha - \omega\right)

    Arguments as in `Adam`, with torch's default decay.

    Example:
        >>> print(AdamW(lr=0.04, betas=(0.8, 0.999), weight_decay=0.2).passband())
        [-0.2, 448.2]

    References:
        Loshchilov, Hutter, *Decoupled weight decay regularization*, ICLR 2019.
    """

    weight_decay: float = 0.01
    decoupled: bool = True


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NAdam(_Averaged):
    r"""The filter of ``torch.optim.NAdam`` with frozen P, once its momentum has warmed up.

    .. math::
        \text{edge} = \frac{2\,(1 + \beta_1)}{(1 - \beta_1)\,(1 + 2\beta_1)\,\alpha}

    Arguments as in `Adam`.

    Example:
        >>> round(NAdam(lr=0.001).edge * 2.8, 6)
        38000.0

    References:
        Dozat 2016.
    """

    _nesterov: ClassVar[bool] = True


def average_loop(*, lr: float, beta: float, nesterov: bool = False, shrink: float = 0.0) -> Loop:
    """Return the loop that steps along a running average ``m ← β m + (1 − β) g``."""
    theta, m, g = np.eye(3)
    average = beta * m + (1 - beta) * g
    d = beta * average + (1 - beta) * g if nesterov else average
    changes = {"theta": -lr * (d + shrink * theta), "average": average - m}
    return Loop.from_changes(changes, point=theta, units={"average": lr})
