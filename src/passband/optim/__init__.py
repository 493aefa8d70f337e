"""Optimizers for ``torch`` whose filters are worth having."""

from passband.optim.hessian_usam import HessianUSAM
from passband.optim.sam import SAM
from passband.optim.usam import USAM

__all__ = ["SAM", "USAM", "HessianUSAM"]
