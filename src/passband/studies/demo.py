"""The studies of ``passband demo``, in full and in small."""

from typing import Any

from passband.studies.filters_at_work import FiltersAtWork, SmallBatchTraining
from passband.studies.six_edges import FullBatchTraining, SixEdges
from passband.studies.study import Study, check_seeds

SEEDS, QUICK_SEEDS = 3, 2

QUICK_FULL_BATCH: dict[str, Any] = {
    "images": 150,
    "side": 14,
    "hidden": (24, 24),
    "every": 40,
    "patience": 800,
    "window": 400,
    "limit": 2500,
}
QUICK_SMALL_BATCH: dict[str, Any] = {
    "train": 1000,
    "test": 400,
    "side": 14,
    "hidden": (48, 24),
    "batch": 40,
}
"""Networks and images of quick studies."""


def demo_studies(*, quick: bool = False, seeds: int | None = None) -> tuple[Study, ...]:
    """Return what the demonstration measures.

    Args:
        quick: Smaller images and networks and fewer steps: under a minute, all parts. The
            radii are chosen for the smaller problem.
        seeds: Of the small-batch runs; 3, or 2 if quick.

    Raises:
        ValueError: ``seeds`` is not a positive number.
    """
    check_seeds(seeds)
    if not quick:
        return SixEdges(), FiltersAtWork(seeds=seeds or SEEDS)
    return (
        SixEdges(
            training=FullBatchTraining(**QUICK_FULL_BATCH),
            lr=0.2,
            rho_usam=0.01,
            rho_two_step=0.03,
            rho_hessian=0.02,
        ),
        FiltersAtWork(
            training=SmallBatchTraining(**QUICK_SMALL_BATCH, epochs=10),
            lr=0.05,
            seeds=seeds or QUICK_SEEDS,
        ),
    )
