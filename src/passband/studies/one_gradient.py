"""One gradient a step: optimizers with the edge of Two-step USAM for a third of its gradients."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, final

from typing_extensions import override

from passband.studies.claims import Claim
from passband.studies.exhibits import Exhibit
from passband.studies.filters_at_work import SmallBatchTraining, flatter_than
from passband.studies.filters_at_work_exhibits import filters_at_work_exhibits, grouped
from passband.studies.methods import Method
from passband.studies.one_gradient_exhibits import against_gradients
from passband.studies.record import Record
from passband.studies.six_edges import FullBatchTraining, at_the_edge
from passband.studies.six_edges_exhibits import six_edges_exhibits
from passband.studies.study import Run, Study

TWO_STEP = "Two-step USAM"
MEMORY = ("derivative SGD", "extrapolated SGD", "secant SGD")
FASTER = "SGD, larger lr"
REACHED = 0.97


def contenders(
    *, lr: float, rho: float, momentum: float, inertia: float = 0.0, weight_decay: float = 0.0
) -> tuple[Method, ...]:
    """Return SGD, Two-step USAM, and four optimizers of one gradient a step with its edge.

    All but the last move flat directions equally fast (gain ``lr / (1 - momentum)``), because
    edges compare only then. The last is the baseline: SGD that reaches the same edge by a larger
    ``lr``.

    Args:
        lr: Learning rate, of all but the baseline.
        rho: Ascent radius of Two-step USAM.
        momentum: Of all.
        inertia: Momentum of the extrapolated method where ``momentum`` is 0, with an ``lr`` that
            keeps the gain; it is left out where it would have none.
        weight_decay: Coupled, of all.
    """
    sgd = Method(name="SGD", family="sgd", lr=lr, momentum=momentum, weight_decay=weight_decay)
    two_step = replace(sgd, name=TWO_STEP, family="usam", rho=rho, steps=2)
    edge = two_step.filter().edge
    ahead = momentum or inertia
    derivative, extrapolated, secant = (
        replace(sgd, name=name, family=family, edge=edge)
        for name, family in zip(MEMORY, ("derivative", "extrapolated", "secant"), strict=True)
    )
    extrapolated = replace(extrapolated, momentum=ahead, lr=lr * (1 - ahead) / (1 - momentum))
    memory = (derivative, extrapolated, secant) if ahead else (derivative, secant)
    faster = replace(sgd, name=FASTER, lr=2 * (1 + momentum) / (edge + weight_decay))
    return sgd, two_step, *memory, faster


@final
@dataclass(frozen=True, kw_only=True)
class SameEdgeTraining(FullBatchTraining):
    """Full-batch training until sharpness stops rising; see `FullBatchTraining`."""

    study: ClassVar[str] = "same-edge"


@final
@dataclass(frozen=True, kw_only=True)
class EqualGradientsTraining(SmallBatchTraining):
    """Small-batch training for a given number of gradients; see `SmallBatchTraining`."""

    study: ClassVar[str] = "equal-gradients"


@final
@dataclass(frozen=True, kw_only=True)
class SameEdge(Study):
    """Five optimizers made for one edge, on all data at once.

    Args:
        training: What all runs share.
        lr: Learning rate of all but the baseline.
        rho: Ascent radius of Two-step USAM, which sets the edge.
        inertia: Momentum of the extrapolated method.
        seeds: Number of seeds.
    """

    name: ClassVar[str] = "same-edge"
    title: ClassVar[str] = "The same edge for one gradient"
    source: ClassVar[str] = (
        "edge of Two-step USAM: arXiv 2510.09034, which names its cost as a limitation; "
        "one-gradient filters: docs/theory/passbands.md"
    )
    question: ClassVar[str] = (
        "Does an optimizer that remembers gradients settle at the edge of Two-step USAM, "
        "without its two extra gradients a step?"
    )
    tolerance: ClassVar[float] = 0.03

    training: SameEdgeTraining = field(default_factory=SameEdgeTraining)
    lr: float = 0.05
    rho: float = 0.01
    inertia: float = 0.5
    seeds: int = 1

    @override
    def runs(self) -> tuple[Run, ...]:
        _, *methods = contenders(lr=self.lr, rho=self.rho, momentum=0.0, inertia=self.inertia)
        return tuple(
            replace(self.training, method=method, seed=seed)
            for seed in range(self.seeds)
            for method in methods
        )

    @classmethod
    @override
    def claims(cls, records: Sequence[Record]) -> list[Claim]:
        plateaus = [at_the_edge(r, "common edge", tolerance=cls.tolerance) for r in records]
        spent = {Method.of(record).name: _gradients_to_edge(record) for record in records[::-1]}
        return plateaus + [
            _cheaper(name, spent[name], spent.get(TWO_STEP, math.nan))
            for name in MEMORY
            if name in spent
        ]

    @classmethod
    @override
    def exhibits(cls, records: Sequence[Record]) -> list[Exhibit]:
        if not records:
            return []
        return [
            against_gradients(records),
            *six_edges_exhibits(records, tolerance=cls.tolerance, key=cls.name),
        ]


def _gradients_to_edge(record: Record) -> float:
    """Return the gradients spent when the sharpness first came near the edge."""
    series = record.measured.series
    near = REACHED * record.metric("edge")
    steps = zip(series.get("step", ()), series.get("sharpness", ()), strict=True)
    first = next((step for step, sharpness in steps if sharpness >= near), math.nan)
    return first * record.metric("gradients_per_step")


def _cheaper(name: str, spent: float, two_step: float) -> Claim:
    statement = f"{name} reaches the edge with at most half the gradients of {TWO_STEP}"
    if not (math.isfinite(spent) and math.isfinite(two_step)):
        return Claim(statement, None, "one of the two did not reach it")
    return Claim(statement, spent <= two_step / 2, f"{spent:,.0f} against {two_step:,.0f}")


@final
@dataclass(frozen=True, kw_only=True)
class EqualGradients(Study):
    """The same optimizers on small batches, all with the same number of gradients.

    Args:
        training: What all runs share; its ``epochs`` are those of Two-step USAM, three gradients
            a step, and the others have three times as many.
        lr: Learning rate of all but the baseline.
        rho: Ascent radius of Two-step USAM, which sets the edge.
        momenta: Momentum factors.
        weight_decay: Coupled, of all.
        seeds: Number of seeds.
    """

    name: ClassVar[str] = "equal-gradients"
    title: ClassVar[str] = "One gradient a step, small batches, equal gradients"
    source: ClassVar[str] = "setting of arXiv 2510.09034; comparison at equal gradients is ours"
    question: ClassVar[str] = (
        "With noisy gradients and the same number of them, do the one-gradient optimizers find "
        "minima as flat as Two-step USAM's, and does it take more than a larger learning rate?"
    )

    training: EqualGradientsTraining = field(default_factory=EqualGradientsTraining)
    lr: float = 0.01
    rho: float = 0.1
    momenta: tuple[float, ...] = (0.0, 0.9)
    weight_decay: float = 5e-4
    seeds: int = 3

    @override
    def runs(self) -> tuple[Run, ...]:
        return tuple(
            replace(self.training, method=method, seed=seed, epochs=self._epochs(method))
            for momentum in self.momenta
            for method in contenders(
                lr=self.lr, rho=self.rho, momentum=momentum, weight_decay=self.weight_decay
            )
            for seed in range(self.seeds)
        )

    def _epochs(self, method: Method) -> int:
        return round(3 * self.training.epochs / method.filter().gradients_per_step)

    @classmethod
    @override
    def claims(cls, records: Sequence[Record]) -> list[Claim]:
        groups = grouped(records)
        return [
            flatter_than(groups, other, name, momentum)
            for name, momentum in groups
            if name in MEMORY
            for other in ("SGD", FASTER, TWO_STEP)
        ]

    @classmethod
    @override
    def exhibits(cls, records: Sequence[Record]) -> list[Exhibit]:
        return filters_at_work_exhibits(records, key=cls.name) if records else []
