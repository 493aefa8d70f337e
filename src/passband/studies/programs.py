"""What one command measures: studies by name, in full and in small."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from passband.studies.demo import QUICK_FULL_BATCH, QUICK_SMALL_BATCH, demo_studies
from passband.studies.one_gradient import (
    EqualGradients,
    EqualGradientsTraining,
    SameEdge,
    SameEdgeTraining,
)
from passband.studies.paper import DATA
from passband.studies.paper_programs import paper_studies
from passband.studies.study import Study, check_seeds
from passband.studies.transients import transient_studies

Studies = Callable[..., tuple[Study, ...]]
"""Makes studies from ``quick``, ``seeds`` and, where there is a choice, ``data``."""


@final
@dataclass(frozen=True)
class Program:
    """Studies that are done together.

    Attributes:
        summary: What they show and how long they take, in one line.
        studies: Makes them.
        data: The images that can be chosen, first those that are taken if nothing is said.
    """

    summary: str
    studies: Studies
    data: tuple[str, ...] = ()

    def made(self, *, quick: bool, seeds: int | None, data: str | None) -> tuple[Study, ...]:
        """Return the studies.

        Raises:
            ValueError: ``data`` cannot be chosen, or ``seeds`` is not a positive number.
        """
        if data is None:
            return self.studies(quick=quick, seeds=seeds)
        if data not in self.data:
            known = f"one of {', '.join(self.data)}" if self.data else "left out for this study"
            raise ValueError(f"`data` must be {known}; got {data!r}.")
        return self.studies(quick=quick, seeds=seeds, data=data)


def one_gradient_studies(*, quick: bool = False, seeds: int | None = None) -> tuple[Study, ...]:
    """Return the studies of the optimizers with one gradient a step.

    Args:
        quick: Smaller images and networks and fewer steps.
        seeds: Of the small-batch runs; 3, or 2 if quick.

    Raises:
        ValueError: ``seeds`` is not a positive number.
    """
    check_seeds(seeds)
    if not quick:
        return SameEdge(), EqualGradients(seeds=seeds or 3)
    return (
        SameEdge(
            training=SameEdgeTraining(**QUICK_FULL_BATCH),
            lr=0.2,
            rho=0.03,
        ),
        EqualGradients(
            training=EqualGradientsTraining(**QUICK_SMALL_BATCH, epochs=5),
            lr=0.05,
            seeds=seeds or 2,
        ),
    )


PROGRAMS: dict[str, Program] = {
    "filters": Program(
        "arXiv 2510.09034 on real images, and what it leaves open (13 minutes on 2 cores; "
        "--data mnist, fashion: hours; cifar10: a GPU)",
        paper_studies,
        data=DATA,
    ),
    "demo": Program(
        "six optimizers at their edges, four on small batches (about 5 minutes on 2 cores)",
        demo_studies,
    ),
    "one-gradient": Program(
        "the edge of Two-step USAM for one gradient a step (about 8 minutes on 2 cores)",
        one_gradient_studies,
    ),
    "transients": Program(
        "transients of coupled training: bounds, feedback, a GAN (6 minutes on 2 cores)",
        transient_studies,
    ),
}
"""Everything that ``passband run`` can do, by name."""
