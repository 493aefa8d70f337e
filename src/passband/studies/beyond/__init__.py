"""What arXiv 2510.09034 leaves open, each in a study of seconds."""

from passband.studies.beyond.drift import ValleyDrift
from passband.studies.beyond.mean_square import MeanSquareEdges
from passband.studies.beyond.notions import SharpnessNotions
from passband.studies.beyond.saddles import SaddleLeaks
from passband.studies.beyond.spheres import NormalizedNetworks
from passband.studies.study import Study


def beyond_studies(*, quick: bool = False) -> tuple[Study, ...]:
    """Return all of them, or those that take no more than seconds together."""
    if quick:
        return MeanSquareEdges(), SharpnessNotions(seeds=1), ValleyDrift(steps=2000)
    return (
        SaddleLeaks(),
        MeanSquareEdges(),
        NormalizedNetworks(),
        SharpnessNotions(),
        ValleyDrift(),
    )


__all__ = [
    "MeanSquareEdges",
    "NormalizedNetworks",
    "SaddleLeaks",
    "SharpnessNotions",
    "ValleyDrift",
    "beyond_studies",
]
