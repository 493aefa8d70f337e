"""What eigenvalues do not show: how far an iteration or a flow goes before it settles.

Matrices and blocks need no torch; `coupled`, for training steps, loads it on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from passband.transients.blocks import (
    BestRatio,
    Blocks,
    Comparison,
    CriticalFeedback,
    KreissBounds,
    any_order,
    balanced_ratio,
    critical_feedback,
    feedback_bound,
    instance_bounds,
    kreiss_of_spectra,
    product_bounds,
)
from passband.transients.dense import (
    Certificate,
    Cycle,
    EigenvalueConditions,
    Growth,
    Kreiss,
    Pseudospectrum,
    certificate,
    cycle,
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

if TYPE_CHECKING:
    from passband.transients import coupled

__all__ = [
    "BestRatio",
    "Blocks",
    "Certificate",
    "Comparison",
    "CriticalFeedback",
    "Cycle",
    "EigenvalueConditions",
    "Growth",
    "Kreiss",
    "KreissBounds",
    "Pseudospectrum",
    "any_order",
    "balanced_ratio",
    "certificate",
    "coupled",
    "critical_feedback",
    "cycle",
    "departure_from_normality",
    "distance_to_instability",
    "eigenvalue_conditions",
    "feedback_bound",
    "growth",
    "instance_bounds",
    "kreiss",
    "kreiss_of_spectra",
    "numerical_abscissa",
    "numerical_radius",
    "numerical_range",
    "product_bounds",
    "pseudospectral_abscissa",
    "pseudospectral_radius",
    "pseudospectrum",
    "pseudospectrum_low_rank",
]


def __getattr__(name: str) -> Any:
    """Load what needs torch, once."""
    if name != "coupled":
        raise AttributeError(f"module 'passband.transients' has no attribute {name!r}.")
    return importlib.import_module("passband.transients.coupled")
