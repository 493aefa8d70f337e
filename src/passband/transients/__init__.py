"""What eigenvalues do not show: how far an iteration or a flow goes before it settles."""

from passband.transients.dense import (
    EigenvalueConditions,
    Growth,
    Kreiss,
    Pseudospectrum,
    departure_from_normality,
    distance_to_instability,
    eigenvalue_conditions,
    growth,
    kreiss,
    numerical_abscissa,
    numerical_radius,
    numerical_range,
    pseudospectral_abscissa,
    pseudospectral_radius,
    pseudospectrum,
    pseudospectrum_low_rank,
)

__all__ = [
    "EigenvalueConditions",
    "Growth",
    "Kreiss",
    "Pseudospectrum",
    "departure_from_normality",
    "distance_to_instability",
    "eigenvalue_conditions",
    "growth",
    "kreiss",
    "numerical_abscissa",
    "numerical_radius",
    "numerical_range",
    "pseudospectral_abscissa",
    "pseudospectral_radius",
    "pseudospectrum",
    "pseudospectrum_low_rank",
]
