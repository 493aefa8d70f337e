"""What eigenvalues do not show: how far an iteration or a flow goes before it settles."""

from passband.transients.dense import (
    Kreiss,
    kreiss,
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
