"""Transients of a matrix at hand: Kreiss constant, growth, pseudospectra, radii. No torch."""

from passband.transients.dense.kreiss import Kreiss, kreiss
from passband.transients.dense.numerical_range import (
    numerical_abscissa,
    numerical_radius,
    numerical_range,
)

__all__ = [
    "Kreiss",
    "kreiss",
    "numerical_abscissa",
    "numerical_radius",
    "numerical_range",
]
