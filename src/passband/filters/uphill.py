"""What optimizers that look uphill share: SGD, fed by an oracle that climbs first."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import final

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
from passband.filters.oracles import chain, decayed
from passband.filters.response import Response
from passband.filters.sgd import sgd_loop
from passband.filters.staged import LoopFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class Uphill(LoopFilter):
    """SGD with heavy ball or Nesterov momentum, fed by an oracle that climbs first."""

    lr: float
    rho: float
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    decay: DecayPlacement = "coupled"

    def __post_init__(self) -> None:
        check_positive(lr=self.lr)
        check_finite(rho=self.rho)
        check_momentum(self.momentum, nesterov=self.nesterov)
        check_nonnegative(weight_decay=self.weight_decay)
        check_choice("decay", self.decay, PLACEMENTS)

    @property
    @abstractmethod
    def climb(self) -> Response:
        """The oracle without weight decay."""

    @property
    @final
    @override
    def response(self) -> Response:
        decay = decayed(self.weight_decay)
        match self.decay:
            case "loss":
                return chain(decay, self.climb)
            case "coupled":
                return chain(self.climb, decay)
            case "decoupled":
                return self.climb

    @property
    @final
    @override
    def loop(self) -> Loop:
        return sgd_loop(
            lr=self.lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
            shrink=self.weight_decay if self.decay == "decoupled" else 0.0,
        )
