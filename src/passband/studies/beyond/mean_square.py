"""Small batches: where the mean square of the distance begins to grow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

from typing_extensions import override

from passband.studies.beyond.shared import SmallRun, table
from passband.studies.checkpoints import NOWHERE, Checkpoints
from passband.studies.claims import Claim
from passband.studies.exhibits import Exhibit
from passband.studies.methods import Method
from passband.studies.record import Measurement, Record
from passband.studies.study import Run, Study


@final
@dataclass(frozen=True, kw_only=True)
class NoisyCurvature(SmallRun):
    """A real optimizer in one direction whose curvature is ``λ (1 ± ν)``, a fair coin each step.

    All ``2^steps`` sequences of coins are run at once, each a parameter of its own, so that the
    mean square over sequences is exact, not a sample.

    Args:
        method: The optimizer.
        ratio: ν, standard deviation of the curvature over its mean.
        of_edge: λ over the predicted mean-square edge.
        steps: How many.
    """

    study: ClassVar[str] = "mean-square-edges"

    method: Method
    ratio: float = 0.5
    of_edge: float = 1.0
    steps: int = 15

    @property
    @override
    def label(self) -> str:
        return f"{self.method.name}, ν {self.ratio:g}, λ at {self.of_edge:g} of the edge"

    @override
    def measure(self, checkpoints: Checkpoints = NOWHERE) -> Measurement:
        import torch
        from torch import nn

        from passband.studies.training import one_thread, optimizer_of

        filter = self.method.filter()
        edge = filter.mean_square_edge(ratio=self.ratio)
        lam = self.of_edge * edge
        count = 2**self.steps
        coins = torch.arange(count)
        holder = nn.ParameterList([nn.Parameter(torch.ones(count, dtype=torch.float64))])
        x, optimizer = holder[0], optimizer_of(self.method, holder)
        squares = [1.0]
        with one_thread():
            for step in range(self.steps):
                sign = 2.0 * ((coins >> step) & 1) - 1
                curvature = lam * (1 + self.ratio * sign)

                def closure(curvature: Any = curvature) -> Any:
                    optimizer.zero_grad()
                    value = (curvature * x**2).sum() / 2
                    value.backward()
                    return value

                optimizer.step(closure)
                squares.append(float((x.detach() ** 2).mean()))
        return Measurement(
            metrics={
                "growth": (squares[-1] / squares[-5]) ** 0.25,
                "edge": edge,
                "deterministic_edge": filter.edge,
            },
            series={"step": tuple(map(float, range(self.steps + 1))), "square": tuple(squares)},
        )


@final
@dataclass(frozen=True, kw_only=True)
class MeanSquareEdges(Study):
    """Several optimizers a little below and above their mean-square edges.

    Args:
        ratio: Standard deviation of the curvature over its mean.
        steps: Of each run.
    """

    name: ClassVar[str] = "mean-square-edges"
    title: ClassVar[str] = "The edge under small batches"
    source: ClassVar[str] = (
        "arXiv 2306.07850 for SGD; one-gradient criterion: docs/theory/mean-square.md"
    )
    question: ClassVar[str] = (
        "With a curvature that differs from batch to batch, does the mean square of the distance "
        "shrink just below the predicted edge and grow just above it?"
    )

    ratio: float = 0.5
    steps: int = 15

    @override
    def runs(self) -> tuple[Run, ...]:
        sgd = Method(name="gradient descent", family="sgd", lr=0.1)
        methods = (
            sgd,
            replace(sgd, name="heavy ball", momentum=0.3),
            replace(sgd, name="Nesterov", momentum=0.3, nesterov=True),
            replace(sgd, name="derivative SGD", family="derivative", edge=12.0),
        )
        run = NoisyCurvature(method=sgd, ratio=self.ratio, steps=self.steps)
        return tuple(
            replace(run, method=m, of_edge=share) for m in methods for share in (0.95, 1.05)
        )

    @classmethod
    @override
    def claims(cls, records: Sequence[Record]) -> list[Claim]:
        found: list[Claim] = []
        for record in records:
            growth, below = record.metric("growth"), record.configuration["of_edge"] < 1
            evidence = f"factor {growth:.4g} a step"
            holds = None if math.isnan(growth) else (growth < 1) == below
            word = "shrinks" if below else "grows"
            label = record.configuration["label"]
            found.append(Claim(f"{label}: the mean square {word}", holds, evidence))
        return found

    @classmethod
    @override
    def exhibits(cls, records: Sequence[Record]) -> list[Exhibit]:
        if not records:
            return []
        return [
            table(
                records,
                key="mean-square-edges-table",
                title="Growth of the mean square just below and above its edge",
                caption=(
                    "Exact mean over all sequences of coins, factor a step over the last four. "
                    "The deterministic edge, of the mean curvature alone, is far above."
                ),
                metrics=(
                    ("growth a step", "growth"),
                    ("mean-square edge", "edge"),
                    ("deterministic edge", "deterministic_edge"),
                ),
                color=lambda record: Method.of(record).name,
            )
        ]
