"""What ``passband run transients`` measures, in full and in small."""

from passband.studies.study import Study
from passband.studies.transients.bounds import CouplingBounds
from passband.studies.transients.feedback import FeedbackThresholds
from passband.studies.transients.networks import CoupledNetworks
from passband.studies.transients.portraits import Portraits


def transient_studies(*, quick: bool = False, seeds: int | None = None) -> tuple[Study, ...]:
    """Return the studies of transients of coupled training.

    Args:
        quick: Fewer radii, sizes and couplings, and smaller networks.
        seeds: Games of each kind, and initial weights; 1 if not given.

    Raises:
        ValueError: ``seeds`` is not a positive number.
    """
    if seeds is not None and not seeds >= 1:
        raise ValueError(f"`seeds` must be 1 or more; got {seeds!r}.")
    number = seeds or 1
    if not quick:
        return (
            CouplingBounds(seeds=number),
            FeedbackThresholds(seeds=number),
            Portraits(),
            CoupledNetworks(seeds=number),
        )
    return (
        CouplingBounds(
            radii=(0.9, 0.99), sizes=(2,), couplings=(1.0, 2.0, 10.0, 30.0, 100.0), seeds=number
        ),
        FeedbackThresholds(
            radii=((0.9, 0.8),), sizes=(1, 2), couplings=(0.1, 1.0), draws=3, seeds=number
        ),
        Portraits(size=3, side=24),
        CoupledNetworks(
            gan_ratios=(),
            readout_ratios=(),
            images=(60, 60, 60),
            sides=(4, 4),
            bilevel=(2.0, 0.4),
            steps=(2000, 2000, 2000),
            together=0,
            seeds=number,
        ),
    )
