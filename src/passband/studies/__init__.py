"""One file for each reproduced result: runs, claims and exhibits; and where records are kept."""

from passband.studies.attempt import Outcome, Policy
from passband.studies.backends import BACKENDS, Backend
from passband.studies.beyond import (
    MeanSquareEdges,
    NormalizedNetworks,
    SaddleLeaks,
    SharpnessNotions,
    ValleyDrift,
)
from passband.studies.checkpoints import Checkpoints
from passband.studies.claims import Claim, Sample
from passband.studies.demo import demo_studies
from passband.studies.execute import execute
from passband.studies.filters_at_work import FiltersAtWork
from passband.studies.one_gradient import EqualGradients, SameEdge
from passband.studies.paper import PaperFilters
from passband.studies.plan import Plan
from passband.studies.programs import PROGRAMS, Program
from passband.studies.record import Eigenvalues, Measurement, Record
from passband.studies.six_edges import SixEdges
from passband.studies.store import Store
from passband.studies.study import Run, Study
from passband.studies.transients import (
    CoupledNetworks,
    CouplingBounds,
    FeedbackThresholds,
    Portraits,
)

STUDIES: dict[str, type[Study]] = {
    study.name: study
    for study in (
        SixEdges,
        FiltersAtWork,
        SameEdge,
        EqualGradients,
        PaperFilters,
        SaddleLeaks,
        MeanSquareEdges,
        NormalizedNetworks,
        SharpnessNotions,
        ValleyDrift,
        CouplingBounds,
        FeedbackThresholds,
        Portraits,
        CoupledNetworks,
    )
}
"""Every study by its name; a new one is added here."""

__all__ = [
    "BACKENDS",
    "PROGRAMS",
    "STUDIES",
    "Backend",
    "Checkpoints",
    "Claim",
    "CoupledNetworks",
    "CouplingBounds",
    "Eigenvalues",
    "EqualGradients",
    "FeedbackThresholds",
    "FiltersAtWork",
    "MeanSquareEdges",
    "Measurement",
    "NormalizedNetworks",
    "Outcome",
    "PaperFilters",
    "Plan",
    "Policy",
    "Portraits",
    "Program",
    "Record",
    "Run",
    "SaddleLeaks",
    "SameEdge",
    "Sample",
    "SharpnessNotions",
    "SixEdges",
    "Store",
    "Study",
    "ValleyDrift",
    "demo_studies",
    "execute",
]
