"""The studies of ``passband demo``, in full and in small."""

from passband.studies.filters_at_work import FiltersAtWork, SmallBatchTraining
from passband.studies.six_edges import FullBatchTraining, SixEdges
from passband.studies.study import Study

SEEDS, QUICK_SEEDS = 3, 2


def demo_studies(*, quick: bool = False, seeds: int | None = None) -> tuple[Study, ...]:
    """Return what the demonstration measures.

    Args:
        quick: Smaller images and networks and fewer steps: under a minute, all parts. The
            radii are chosen for the smaller problem.
        seeds: Of the small-batch runs; 3, or 2 if quick.

    Raises:
        ValueError: ``seeds`` is not a positive number.
    """
    if seeds is not None and not seeds >= 1:
        raise ValueError(f"`seeds` must be 1 or more; got {seeds!r}.")
    if not quick:
        return SixEdges(), FiltersAtWork(seeds=seeds or SEEDS)
    return (
        SixEdges(
            training=FullBatchTraining(
                images=150, side=14, hidden=(24, 24), every=40, patience=800, window=400, limit=2500
            ),
            lr=0.2,
            rho_usam=0.01,
            rho_two_step=0.03,
            rho_hessian=0.02,
        ),
        FiltersAtWork(
            training=SmallBatchTraining(
                train=1000, test=400, side=14, hidden=(48, 24), batch=40, epochs=10
            ),
            lr=0.05,
            seeds=seeds or QUICK_SEEDS,
        ),
    )
