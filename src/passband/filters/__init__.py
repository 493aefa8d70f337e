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
from passband.filters.design import design
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
from passband.filters.pareto import Offer, Pareto, pareto
from passband.filters.passband import Interval, Passband
from passband.filters.plot import plot
from passband.filters.schedule import HeldAscent, PeriodicAscent, Schedule
from passband.filters.sgd import SGD
from passband.filters.stochastic import batch_sharpness, largest_stable_lr
from passband.filters.without import WITHOUT_FILTER

__all__ = [
    "ASAM",
    "EF21",
    "QHM",
    "SAM",
    "SGD",
    "USAM",
    "WITHOUT_FILTER",
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
    "Offer",
    "Optimistic",
    "Overshoot",
    "Pareto",
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
    "batch_sharpness",
    "design",
    "largest_stable_lr",
    "pareto",
    "plot",
]
