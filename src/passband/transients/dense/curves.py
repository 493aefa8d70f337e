"""Circles for an iteration, lines for a flow."""

from numpy import ndarray

from passband._shapes import Num
from passband.transients.dense.circles import Circles
from passband.transients.dense.level_sets import Curves
from passband.transients.dense.lines import Lines
from passband.transients.dense.matrices import Time


def curves_of(A: Num[ndarray, "n n"], time: Time, *, tolerance: float) -> Curves:
    """Return the curves on which a matrix is examined."""
    return (Circles if time == "discrete" else Lines)(A, tolerance=tolerance)
