"""Six edges: where the sharpness of a network stops rising, under six optimizers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, final

from typing_extensions import override

from passband.studies.checkpoints import NOWHERE, Checkpoints
from passband.studies.claims import Claim
from passband.studies.cost import seconds_of
from passband.studies.exhibits import Exhibit
from passband.studies.methods import Method
from passband.studies.record import Measurement, Record
from passband.studies.six_edges_exhibits import six_edges_exhibits
from passband.studies.study import Run, Study

GRADIENT_DESCENT = Method(name="gradient descent", family="sgd", lr=0.05)


@dataclass(frozen=True, kw_only=True)
class FullBatchTraining(Run):
    """Full-batch training of a tanh network with squared error, until sharpness stops rising.

    The objective is ``½ ‖output − one-hot label‖²``, a mean over the images. The weights start
    small, so that the sharpness starts far below every edge and meets it from below. The
    training ends when for ``patience`` steps the sharpness has not risen by 1 % above its
    earlier maximum; the plateau is the median over the last ``window`` steps. Neither knows
    the predicted edge.

    Args:
        method: The optimizer.
        images: Number of training images.
        side: Pixels a side.
        hidden: Widths of the hidden layers.
        gain: Multiplies torch's default initial weights.
        every: Steps between two measurements of the sharpness.
        patience: Steps without a new maximum that end the training.
        window: Last steps that make the plateau.
        limit: Most steps.
        seed: What initial weights are drawn from.
    """

    study: ClassVar[str] = "six-edges"

    method: Method = GRADIENT_DESCENT
    images: int = 1000
    side: int = 28
    hidden: tuple[int, ...] = (64, 64)
    gain: float = 0.5
    every: int = 40
    patience: int = 2000
    window: int = 1200
    limit: int = 8000

    @property
    @override
    def label(self) -> str:
        return f"{self.method.name}, seed {self.seed}"

    @property
    @override
    def cost(self) -> float:
        steps, probe = 1.5 * self.patience, 30  # gradients that a probe is worth
        gradients = steps * (self.method.filter().gradients_per_step + probe / self.every)
        return seconds_of(gradients, batch=self.images, widths=(self.side**2, *self.hidden))

    @override
    def measure(self, checkpoints: Checkpoints = NOWHERE) -> Measurement:
        from passband.studies.six_edges_training import measure  # torch from here on

        return measure(self, checkpoints)


@final
@dataclass(frozen=True, kw_only=True)
class SixEdges(Study):
    """Six optimizers, one network, one data set: each stops at its own edge.

    Args:
        training: What all runs share.
        lr: Learning rate of all.
        momentum: Of heavy ball and Nesterov; the others have none.
        rho_usam: Ascent radius of USAM.
        rho_two_step: Ascent radius of Two-step USAM.
        rho_hessian: Ascent radius of Hessian USAM.
        seeds: Number of seeds.
    """

    name: ClassVar[str] = "six-edges"
    title: ClassVar[str] = "Six edges"
    source: ClassVar[str] = "edges: arXiv 2510.09034; progressive sharpening: arXiv 2103.00065"
    question: ClassVar[str] = (
        "Trained on all data at once, a network sharpens until its optimizer lets nothing "
        "sharper through. Does the sharpness stop where the filter says?"
    )
    tolerance: ClassVar[float] = 0.03
    """By what fraction a plateau may differ from its edge."""

    training: FullBatchTraining = field(default_factory=FullBatchTraining)
    lr: float = 0.05
    momentum: float = 0.5
    rho_usam: float = 0.005
    rho_two_step: float = 0.01
    rho_hessian: float = 0.002
    seeds: int = 1

    @property
    def methods(self) -> tuple[Method, ...]:
        """The six optimizers."""
        lr, momentum = self.lr, self.momentum
        return (
            Method(name="gradient descent", family="sgd", lr=lr),
            Method(name="heavy ball", family="sgd", lr=lr, momentum=momentum),
            Method(name="Nesterov", family="sgd", lr=lr, momentum=momentum, nesterov=True),
            Method(name="USAM", family="usam", lr=lr, rho=self.rho_usam),
            Method(name="Two-step USAM", family="usam", lr=lr, rho=self.rho_two_step, steps=2),
            Method(name="Hessian USAM", family="hessian-usam", lr=lr, rho=self.rho_hessian),
        )

    @override
    def runs(self) -> tuple[Run, ...]:
        return tuple(
            replace(self.training, method=method, seed=seed)
            for seed in range(self.seeds)
            for method in self.methods
        )

    @classmethod
    @override
    def claims(cls, records: Sequence[Record]) -> list[Claim]:
        return [at_the_edge(record, "edge", tolerance=cls.tolerance) for record in records]

    @classmethod
    @override
    def exhibits(cls, records: Sequence[Record]) -> list[Exhibit]:
        return six_edges_exhibits(records, tolerance=cls.tolerance) if records else []


def at_the_edge(record: Record, edge: str, *, tolerance: float) -> Claim:
    """Claim that the sharpness of a run stopped at its edge.

    Args:
        record: The run.
        edge: What the edge is called.
        tolerance: By what fraction the plateau may differ from it.
    """
    return Claim.near(
        f"{record.configuration['label']}: plateau within {tolerance:.0%} of the {edge} "
        f"{record.metric('edge'):.4g}",
        record.metric("ratio"),
        expected=1.0,
        tolerance=tolerance,
        missing=" ".join(record.measured.notes) or "no plateau",
    )
