"""Transients of a matrix at hand: Kreiss constant, growth, pseudospectra, radii. No torch."""

from passband.transients.dense.cycle import (
    Cycle,
    cycle,
)
from passband.transients.dense.departure import (
    EigenvalueConditions,
    departure_from_normality,
    eigenvalue_conditions,
)
from passband.transients.dense.growth import (
    Growth,
    growth,
)
from passband.transients.dense.kreiss import (
    Kreiss,
    kreiss,
)
from passband.transients.dense.lyapunov import (
    Certificate,
    certificate,
)
from passband.transients.dense.numerical_range import (
    numerical_abscissa,
    numerical_radius,
    numerical_range,
)
from passband.transients.dense.pseudospectra import (
    Pseudospectrum,
    pseudospectrum,
    pseudospectrum_low_rank,
)
from passband.transients.dense.radii import (
    distance_to_instability,
    pseudospectral_abscissa,
    pseudospectral_radius,
)

__all__ = [
    "Certificate",
    "Cycle",
    "EigenvalueConditions",
    "Growth",
    "Kreiss",
    "Pseudospectrum",
    "certificate",
    "cycle",
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
