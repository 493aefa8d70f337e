"""Transients of operators that can only be multiplied, to 1e8 entries."""

from passband.transients.matrix_free.parts import Share
from passband.transients.matrix_free.result import Transient
from passband.transients.matrix_free.transient import transient

__all__ = ["Share", "Transient", "transient"]
