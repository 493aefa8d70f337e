"""Filters at work: small-batch training of arXiv 2510.09034, and where it lands."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, final

from typing_extensions import override

from passband.studies.checkpoints import NOWHERE, Checkpoints
from passband.studies.claims import Claim, Sample
from passband.studies.cost import seconds_of
from passband.studies.exhibits import Exhibit
from passband.studies.filters_at_work_exhibits import Groups, filters_at_work_exhibits, grouped
from passband.studies.methods import Method
from passband.studies.record import Measurement, Record
from passband.studies.study import Run, Study

LEARNED = 0.5
"""Test accuracy of a run that learned something; chance is 0.1."""

CLASSES = 10

SGD = Method(name="SGD", family="sgd", lr=0.01)


@dataclass(frozen=True, kw_only=True)
class SmallBatchTraining(Run):
    """Training of a ReLU network with cross-entropy on shuffled batches, at a constant rate.

    Runs of one seed share initial weights and batches, whatever their optimizer.

    Args:
        method: The optimizer.
        train: Number of training images.
        test: Number of test images.
        side: Pixels a side.
        hidden: Widths of the hidden layers.
        batch: Images a step.
        epochs: Passes over the training images.
        rtol: Relative accuracy of the eigenvalues.
        seed: What initial weights and batches are drawn from.
    """

    study: ClassVar[str] = "filters-at-work"

    method: Method = SGD
    train: int = 4000
    test: int = 1000
    side: int = 28
    hidden: tuple[int, ...] = (128, 64, 10)
    batch: int = 128
    epochs: int = 60
    rtol: float = 1e-3

    @property
    @override
    def label(self) -> str:
        return f"{self.method.name}, momentum {self.method.momentum:g}, seed {self.seed}"

    @property
    @override
    def cost(self) -> float:
        gradients = self.epochs * self.train / self.batch * self.method.filter().gradients_per_step
        return seconds_of(gradients, batch=self.batch, widths=(self.side**2, *self.hidden))

    @override
    def measure(self, checkpoints: Checkpoints = NOWHERE) -> Measurement:
        from passband.studies.filters_at_work_training import measure  # torch from here on

        return measure(self, checkpoints)

    def load(self) -> Any:
        """Return the training and test images."""
        from passband.studies.images import mnist

        return mnist(train=self.train, test=self.test, side=self.side)

    def network(self) -> Any:
        """Return the network with its initial weights."""
        from torch import nn

        from passband.studies.training import perceptron

        widths = (self.side**2, *self.hidden, CLASSES)
        return perceptron(widths, activation=nn.ReLU, seed=self.seed)

    def pieces(self, images: Any) -> Any:
        """Return images as the whole loss is computed from them: at once, or in pieces."""
        return images.x, images.y

    def watch(self, epoch: int, model: Any, split: Any) -> dict[str, float]:
        """Return what else is measured after an epoch; nothing here."""
        del epoch, model, split
        return {}


@final
@dataclass(frozen=True, kw_only=True)
class FiltersAtWork(Study):
    """Four optimizers with and without momentum, several seeds each.

    Args:
        training: What all runs share.
        lr: Learning rate of all.
        weight_decay: Coupled, of all.
        momenta: Momentum factors.
        rho_usam: Ascent radius of USAM.
        rho_two_step: Ascent radius of Two-step USAM.
        rho_hessian: Ascent radius of Hessian USAM.
        seeds: Number of seeds.
    """

    name: ClassVar[str] = "filters-at-work"
    title: ClassVar[str] = "Filters at work"
    source: ClassVar[str] = (
        "arXiv 2510.09034, section on experiments; network, data size and radii are ours where "
        "the paper's are not known"
    )
    question: ClassVar[str] = (
        "Trained on small batches, which minima do optimizers with lower edges find, and what "
        "does it cost?"
    )

    training: SmallBatchTraining = field(default_factory=SmallBatchTraining)
    lr: float = 0.01
    weight_decay: float = 5e-4
    momenta: tuple[float, ...] = (0.0, 0.9)
    rho_usam: float = 0.1
    rho_two_step: float = 0.1
    rho_hessian: float = 0.05
    seeds: int = 3

    def methods(self, momentum: float) -> tuple[Method, ...]:
        """Return the four optimizers at a momentum, in the order in which they should flatten."""
        sgd = Method(
            name="SGD",
            family="sgd",
            lr=self.lr,
            momentum=momentum,
            weight_decay=self.weight_decay,
        )
        return (
            sgd,
            replace(sgd, name="USAM", family="usam", rho=self.rho_usam),
            replace(sgd, name="Two-step USAM", family="usam", rho=self.rho_two_step, steps=2),
            replace(sgd, name="Hessian USAM", family="hessian-usam", rho=self.rho_hessian),
        )

    @override
    def runs(self) -> tuple[Run, ...]:
        return tuple(
            replace(self.training, method=method, seed=seed)
            for momentum in self.momenta
            for method in self.methods(momentum)
            for seed in range(self.seeds)
        )

    @classmethod
    @override
    def claims(cls, records: Sequence[Record]) -> list[Claim]:
        groups = grouped(records)
        momenta = sorted({momentum for _, momentum in groups}, reverse=True)
        pairs = [("SGD", "USAM"), ("USAM", "Two-step USAM"), ("SGD", "Hessian USAM")]
        return [
            flatter_than(groups, sharper, flatter, momentum)
            for momentum in momenta
            for sharper, flatter in pairs
        ] + [
            inside(
                f"momentum {momentum:g}: no run ends above its edge",
                [r for (_, m), records in groups.items() if m == momentum for r in records],
            )
            for momentum in momenta
        ]

    @classmethod
    @override
    def exhibits(cls, records: Sequence[Record]) -> list[Exhibit]:
        return filters_at_work_exhibits(records) if records else []


def flatter_than(groups: Groups, sharper: str, flatter: str, momentum: float) -> Claim:
    """Claim that one optimizer ends flatter than another at a momentum."""
    statement = f"momentum {momentum:g}: {flatter} ends flatter than {sharper}, error bars apart"
    return order(statement, *(groups.get((name, momentum), ()) for name in (sharper, flatter)))


def order(
    statement: str,
    sharper: Sequence[Record],
    flatter: Sequence[Record],
    *,
    when: str = "",
) -> Claim:
    """Claim an order of sharpness; a network that learned nothing is flat, and does not count.

    Args:
        statement: What is claimed.
        sharper: Records of the sharper optimizer.
        flatter: Records of the flatter one.
        when: Where in training, ``"_at_budget"``; at its end if not given.
    """
    groups = (sharper, flatter)
    accuracies = [r.metric(f"test_accuracy{when}") for group in groups for r in group]
    if accuracies and min(accuracies) < LEARNED:
        return Claim(statement, None, f"a run did not learn: test accuracy {min(accuracies):.2g}")
    samples = (Sample.of(r.metric(f"sharpness{when}") for r in group) for group in groups)
    return Claim.above(statement, *samples)


def inside(statement: str, records: Sequence[Record]) -> Claim:
    """Claim what the theory says is necessary; a run that diverged has no limit to speak of."""
    ratios = Sample.of(record.metric("ratio") for record in records)
    if not ratios.complete:
        return Claim(statement, None, "a run diverged")
    most = max(ratios.values)
    return Claim(statement, most <= 1, f"at most {most:.2g} of the edge")
