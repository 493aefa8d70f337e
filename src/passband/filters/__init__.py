"""What an optimizer does to an eigenvalue: ``λ ↦ M(λ)`` and all that follows. No torch."""

from passband.filters.adaptive import Adam, AdamW, NAdam, RMSprop
from passband.filters.ascent import SAM, USAM, HessianUSAM
from passband.filters.ascent_variants import (
    ASAM,
    FisherSAM,
    GradientPenalty,
    NestedUSAM,
    UphillLoss,
)
from passband.filters.averaging import Lookahead, ScheduleFree, WeightAverage
from passband.filters.base import Filter
from passband.filters.distributed import EF21, Delayed, LocalSGD
from passband.filters.games import Extragradient, Optimistic, Proximal
from passband.filters.growth import Overshoot
from passband.filters.memory import (
    QHM,
    DerivativeAction,
    ExtrapolatedNesterov,
    MixedMemory,
    Parity,
    Secant,
)
from passband.filters.passband import Interval, Passband
from passband.filters.schedule import HeldAscent, PeriodicAscent, Schedule
from passband.filters.sgd import SGD

__all__ = [
    "ASAM",
    "EF21",
    "QHM",
    "SAM",
    "SGD",
    "USAM",
    "Adam",
    "AdamW",
    "Delayed",
    "DerivativeAction",
    "Extragradient",
    "ExtrapolatedNesterov",
    "Filter",
    "FisherSAM",
    "GradientPenalty",
    "HeldAscent",
    "HessianUSAM",
    "Interval",
    "LocalSGD",
    "Lookahead",
    "MixedMemory",
    "NAdam",
    "NestedUSAM",
    "Optimistic",
    "Overshoot",
    "Parity",
    "Passband",
    "PeriodicAscent",
    "Proximal",
    "RMSprop",
    "Schedule",
    "ScheduleFree",
    "Secant",
    "UphillLoss",
    "WeightAverage",
]
