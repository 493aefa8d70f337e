"""What an optimizer does to an eigenvalue: ``λ ↦ M(λ)`` and all that follows. No torch."""

from passband.filters.ascent import SAM, USAM, HessianUSAM
from passband.filters.base import Filter
from passband.filters.passband import Interval, Passband
from passband.filters.sgd import SGD

__all__ = ["SAM", "SGD", "USAM", "Filter", "HessianUSAM", "Interval", "Passband"]
