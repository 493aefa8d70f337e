"""The experiments of arXiv 2510.09034: grids of radii, several data sets, equal gradients."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, final

from typing_extensions import override

from passband.studies.checkpoints import NOWHERE, Checkpoints
from passband.studies.claims import Claim
from passband.studies.cost import seconds_of
from passband.studies.exhibits import Exhibit
from passband.studies.filters_at_work import SmallBatchTraining, inside, order
from passband.studies.methods import Method
from passband.studies.paper_exhibits import Readings, network_name, paper_exhibits, readings
from passband.studies.record import Measurement, Record
from passband.studies.study import Run, Study

Data = Literal["subset", "mnist", "fashion", "cifar10"]
DATA: tuple[Data, ...] = ("subset", "mnist", "fashion", "cifar10")

CONVOLUTIONS = 10.0
"""How much slower than its weights suggest a convolutional network is, roughly."""


@final
@dataclass(frozen=True, kw_only=True)
class PaperTraining(SmallBatchTraining):
    """Training of a perceptron or a wide residual network on one of four data sets.

    Besides where training ends, it measures where it was when it had spent as many gradients
    as SGD spends in all: there optimizers are compared at equal price.

    Args:
        data: Which images.
        validation: Number of images on which radii are chosen.
        network_kind: A perceptron with ``hidden`` layers, or a wide residual network.
        depth: Layers of the residual network.
        widen: Its factor of channels.
        place: ``"cpu"``, or the name of a GPU.
    """

    study: ClassVar[str] = "paper-filters"

    data: Data = "subset"
    validation: int = 500
    network_kind: Literal["perceptron", "wide-resnet"] = "perceptron"
    depth: int = 16
    widen: float = 8.0
    place: str = "cpu"
    train: int = 3500

    @property
    @override
    def device(self) -> str:
        return self.place

    @property
    @override
    def label(self) -> str:
        radius = f", ρ {self.method.rho:g}" if self.method.rho else ""
        return (
            f"{self.method.name}{radius}, {self.reading}, momentum {self.method.momentum:g}, "
            f"seed {self.seed}"
        )

    @property
    def reading(self) -> str:
        """The network in a word: ``"128-64-10"``, or ``"WRN-16-8"``."""
        return network_name(self.network_kind, self.hidden, depth=self.depth, widen=self.widen)

    @property
    @override
    def cost(self) -> float:
        if self.network_kind == "perceptron":
            return super().cost
        gradients = self.epochs * self.train / self.batch * self.method.filter().gradients_per_step
        weights = 4e4 * (self.depth - 4) / 6 * self.widen**2  # of a convolution, used side² times
        return seconds_of(gradients, batch=self.batch, widths=(int(weights * CONVOLUTIONS), 30))

    @property
    def budget(self) -> int:
        """The epoch after which as many gradients are spent as SGD spends in all."""
        return max(round(self.epochs / self.method.filter().gradients_per_step), 1)

    @override
    def measure(self, checkpoints: Checkpoints = NOWHERE) -> Measurement:
        from passband.studies.paper_training import same_convolutions

        with same_convolutions():
            return super().measure(checkpoints)

    @override
    def load(self) -> Any:
        from passband.studies.paper_training import load

        return load(self)

    @override
    def network(self) -> Any:
        from passband.studies.paper_training import network

        return network(self)

    @override
    def pieces(self, images: Any) -> Any:
        from passband.studies.paper_training import pieces

        return pieces(self, images)

    @override
    def watch(self, epoch: int, model: Any, split: Any) -> dict[str, float]:
        from passband.studies.paper_training import watch

        return watch(self, epoch, model, split)


@final
@dataclass(frozen=True, kw_only=True)
class PaperFilters(Study):
    """Four optimizers over grids of radii, with and without momentum, several seeds.

    For each network, momentum and optimizer the radius with the best accuracy on validation
    images is the one that claims are about. All radii are shown.

    Args:
        training: What all runs share.
        hidden: Layers of the perceptrons: the paper's list can be read in two ways.
        lr: Learning rate of all.
        weight_decay: Coupled, of all.
        momenta: Momentum factors.
        rhos_usam: Radii of USAM.
        rhos_two_step: Radii of Two-step USAM.
        rhos_hessian: Radii of Hessian USAM.
        seeds: Number of seeds.
    """

    name: ClassVar[str] = "paper-filters"
    title: ClassVar[str] = "Filters on real images, radius by radius"
    source: ClassVar[str] = (
        "arXiv 2510.09034, section on experiments. Batch, rate, decay and momenta are the "
        "paper's; radii, epochs, validation images, initial weights and, on the subset, the data "
        "are ours, because the paper's are not known to us"
    )
    question: ClassVar[str] = (
        "With each radius chosen on validation images, do optimizers with lower edges end "
        "flatter, and still so when all have spent the same number of gradients?"
    )

    training: PaperTraining = field(default_factory=PaperTraining)
    hidden: tuple[tuple[int, ...], ...] = ((128, 64, 10, 10), (128, 64, 10))
    lr: float = 0.01
    weight_decay: float = 5e-4
    momenta: tuple[float, ...] = (0.0, 0.9)
    rhos_usam: tuple[float, ...] = (0.03, 0.1, 0.3)
    rhos_two_step: tuple[float, ...] = (0.01, 0.03, 0.1)
    rhos_hessian: tuple[float, ...] = (0.005, 0.02, 0.08)
    seeds: int = 3

    def methods(self, momentum: float) -> tuple[Method, ...]:
        """Return SGD and the others with each of their radii."""
        sgd = Method(
            name="SGD", family="sgd", lr=self.lr, momentum=momentum, weight_decay=self.weight_decay
        )
        usam = replace(sgd, name="USAM", family="usam")
        two_step = replace(usam, name="Two-step USAM", steps=2)
        hessian = replace(sgd, name="Hessian USAM", family="hessian-usam")
        return (
            sgd,
            *(replace(usam, rho=rho) for rho in self.rhos_usam),
            *(replace(two_step, rho=rho) for rho in self.rhos_two_step),
            *(replace(hessian, rho=rho) for rho in self.rhos_hessian),
        )

    @override
    def runs(self) -> tuple[Run, ...]:
        wide = self.training.network_kind == "wide-resnet"
        return tuple(
            replace(self.training, method=method, seed=seed, hidden=hidden)
            for hidden in (((),) if wide else self.hidden)
            for momentum in self.momenta
            for method in self.methods(momentum)
            for seed in range(self.seeds)
        )

    @classmethod
    @override
    def claims(cls, records: Sequence[Record]) -> list[Claim]:
        found = readings(records)
        return [
            claim
            for name, momentum in dict.fromkeys((name, momentum) for name, momentum, _ in found)
            for claim in _claims(found, name, momentum)
        ]

    @classmethod
    @override
    def exhibits(cls, records: Sequence[Record]) -> list[Exhibit]:
        return paper_exhibits(records, key=cls.name) if records else []


def _claims(found: Readings, name: str, momentum: float) -> list[Claim]:
    here = {
        method: records for (n, m, method), records in found.items() if (n, m) == (name, momentum)
    }
    start = f"{name}, momentum {momentum:g}"
    pairs = [("SGD", "USAM"), ("USAM", "Two-step USAM"), ("SGD", "Hessian USAM")]
    others = ("USAM", "Two-step USAM", "Hessian USAM")

    def runs(method: str) -> Sequence[Record]:
        return here.get(method, ())

    return [
        *(order(f"{start}: {b} ends flatter than {a}", runs(a), runs(b)) for a, b in pairs),
        *(
            order(
                f"{start}: at equal gradients {b} is flatter than SGD",
                runs("SGD"),
                runs(b),
                when="_at_budget",
            )
            for b in others
        ),
        inside(f"{start}: no run ends above its edge", [r for rs in here.values() for r in rs]),
    ]
