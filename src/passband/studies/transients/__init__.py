"""Coupled training: bounds against truth, feedback, and predictions watched in real training."""

from passband.studies.transients.bounds import CouplingBounds
from passband.studies.transients.feedback import FeedbackThresholds
from passband.studies.transients.networks import CoupledNetworks
from passband.studies.transients.portraits import Portraits
from passband.studies.transients.program import transient_studies

__all__ = [
    "CoupledNetworks",
    "CouplingBounds",
    "FeedbackThresholds",
    "Portraits",
    "transient_studies",
]
