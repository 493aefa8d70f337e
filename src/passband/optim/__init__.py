"""Optimizers for ``torch`` whose filters are worth having."""

from passband.optim.derivative_sgd import DerivativeSGD
from passband.optim.extrapolated_sgd import ExtrapolatedSGD
from passband.optim.hessian_usam import HessianUSAM
from passband.optim.sam import SAM
from passband.optim.schedules import FixedEdge, RhoSchedule
from passband.optim.secant_sgd import SecantSGD
from passband.optim.shadow import Shadow
from passband.optim.sharpness_aware import SharpnessAware
from passband.optim.usam import USAM

__all__ = [
    "SAM",
    "USAM",
    "DerivativeSGD",
    "ExtrapolatedSGD",
    "FixedEdge",
    "HessianUSAM",
    "RhoSchedule",
    "SecantSGD",
    "Shadow",
    "SharpnessAware",
]
