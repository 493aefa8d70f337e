"""Slow drift along a valley: normalized gradient descent, the root of a loss, label noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from typing_extensions import override

from passband.studies.beyond.shared import SmallRun, table
from passband.studies.checkpoints import NOWHERE, Checkpoints
from passband.studies.claims import Claim
from passband.studies.exhibits import Axis, Exhibit, Figure, Line, Panel
from passband.studies.methods import Method
from passband.studies.record import Measurement, Record
from passband.studies.study import Run, Study

Kind = Literal["normalized", "root", "label-noise"]
_NAMES = {
    "normalized": "normalized gradient descent",
    "root": "descent on the root of the loss",
    "label-noise": "label noise",
}


@final
@dataclass(frozen=True, kw_only=True)
class Valley(SmallRun):
    """Descent in the valley ``k(φ) c² / 2`` with curvature ``k(φ) = 1 + φ²`` across it.

    Without any of the three mechanisms φ would stay where it is once ``c`` is 0. Predicted per
    step, with learning rate α: normalized ``−(α²/4) ∇log k``, root ``−(α²/8) ∇k``, label noise
    ``−(σ²/2) gain · k S(k) ∇k`` with gain and noise S of the optimizer's filter.

    Args:
        kind: What makes it drift.
        lr: Learning rate.
        momentum: With label noise.
        steps: How many.
        start: φ at the beginning.
        noise: σ, of the labels.
        replicas: Trainings side by side with label noise; their mean is measured.
    """

    study: ClassVar[str] = "valley-drift"

    kind: Kind
    lr: float
    momentum: float = 0.0
    steps: int = 5000
    start: float = 1.0
    noise: float = 0.3
    replicas: int = 500

    @property
    @override
    def label(self) -> str:
        ball = f", momentum {self.momentum:g}" if self.momentum else ""
        return f"{_NAMES[self.kind]}, lr {self.lr:g}{ball}"

    @override
    def measure(self, checkpoints: Checkpoints = NOWHERE) -> Measurement:
        measured = self._noisy() if self.kind == "label-noise" else self._exact()
        predicted = self._predicted()
        every = max(self.steps // 100, 1)
        rows = range(0, self.steps + 1, every)
        moved = self.start - predicted[-1]
        return Measurement(
            metrics={
                "phi": measured[-1],
                "predicted": predicted[-1],
                "moved": (self.start - measured[-1]) / moved,
            },
            series={
                "step": tuple(map(float, rows)),
                "phi": tuple(measured[i] for i in rows),
                "predicted": tuple(predicted[i] for i in rows),
            },
        )

    def _exact(self) -> list[float]:
        """Return φ after every step of a loss without noise."""
        phi, c, seen = self.start, 0.7 * self.lr, [self.start]
        for _ in range(self.steps):
            k = 1 + phi**2
            along, across = phi * c**2, k * c  # gradient of the loss
            if self.kind == "normalized":
                scale = math.hypot(along, across)
            else:
                scale = 2 * math.sqrt(k / 2) * abs(c)
            phi, c = phi - self.lr * along / scale, c - self.lr * across / scale
            seen.append(phi)
        return seen

    def _noisy(self) -> list[float]:
        """Return the mean of φ after every step of torch's optimizer with random labels."""
        import torch
        from torch import nn

        from passband.studies.training import one_thread, optimizer_of

        generator = torch.Generator().manual_seed(self.seed)
        holder = nn.ParameterList(
            nn.Parameter(torch.full((self.replicas,), value, dtype=torch.float64))
            for value in (self.start, 0.0)
        )
        optimizer = optimizer_of(self._method(), holder)
        phi, c = holder
        seen = [self.start]
        with one_thread():
            for _ in range(self.steps):
                label = self.noise * torch.randn(
                    self.replicas, generator=generator, dtype=torch.float64
                )

                def closure(label: Any = label) -> Any:
                    optimizer.zero_grad()
                    value = (((1 + phi**2).sqrt() * c - label) ** 2).sum() / 2
                    value.backward()
                    return value

                optimizer.step(closure)
                seen.append(float(phi.detach().mean()))
        return seen

    def _method(self) -> Method:
        return Method(name="SGD", family="sgd", lr=self.lr, momentum=self.momentum)

    def _predicted(self) -> list[float]:
        """Return φ of the predicted drift after every step."""
        filter = self._method().filter()
        gain = filter.gain
        phi, seen = self.start, [self.start]
        for _ in range(self.steps):
            k, slope = 1 + phi**2, 2 * phi
            if self.kind == "normalized":
                drift = self.lr**2 / 4 * slope / k
            elif self.kind == "root":
                drift = self.lr**2 / 8 * slope
            else:
                # S in closed form, heavy ball: α(1+β) / ((1−β) k (2(1+β) − αk))
                a, b = self.lr, self.momentum
                S = a * (1 + b) / ((1 - b) * k * (2 * (1 + b) - a * k))
                drift = gain * self.noise**2 / 2 * k * S * slope
            phi -= drift
            seen.append(phi)
        return seen


@final
@dataclass(frozen=True, kw_only=True)
class ValleyDrift(Study):
    """Three ways of flattening that are not a filter's: they act inside the passband.

    Args:
        steps: Of each run.
    """

    name: ClassVar[str] = "valley-drift"
    title: ClassVar[str] = "Drift along a valley, inside the passband"
    source: ClassVar[str] = (
        "normalized descent and the root of a loss: Arora, Li, Panigrahi, arXiv 2205.09745; "
        "label noise: Damian, Ma, Lee, arXiv 2106.06530"
    )
    question: ClassVar[str] = (
        "A filter forbids sharp minima, but some methods also move slowly towards flatter ones "
        "that it would allow. Do they move as fast as predicted?"
    )
    tolerance: ClassVar[float] = 0.05
    """Relative, of the distance moved: the predictions are first terms in the learning rate."""

    steps: int = 5000

    @override
    def runs(self) -> tuple[Run, ...]:
        return (
            Valley(kind="normalized", lr=0.02, steps=self.steps),
            Valley(kind="root", lr=0.02, steps=self.steps),
            Valley(kind="label-noise", lr=0.1, steps=self.steps // 2),
            Valley(kind="label-noise", lr=0.02, momentum=0.8, steps=self.steps // 2),
        )

    @classmethod
    @override
    def claims(cls, records: Sequence[Record]) -> list[Claim]:
        return [
            Claim.near(
                f"{record.configuration['label']}: distance moved over the predicted one",
                record.metric("moved"),
                expected=1.0,
                tolerance=cls.tolerance,
            )
            for record in records
        ]

    @classmethod
    @override
    def exhibits(cls, records: Sequence[Record]) -> list[Exhibit]:
        if not records:
            return []
        return [
            Figure(
                key="valley-drift-curves",
                title="Position along the valley, measured and predicted",
                caption=(
                    "Valley k(φ) c²/2 with k = 1 + φ²: flatter towards φ = 0. Label noise: mean of "
                    "the replicas."
                ),
                panels=tuple(map(_panel, records)),
                columns=2,
            ),
            table(
                records,
                key="valley-drift-table",
                title="Where the drift has led",
                caption="φ at the end, and the distance moved over the predicted one.",
                metrics=(("φ", "phi"), ("φ, predicted", "predicted"), ("moved", "moved")),
            ),
        ]


def _panel(record: Record) -> Panel:
    series = record.measured.series
    return Panel(
        title=str(record.configuration["label"]),
        x=Axis(label="step"),
        y=Axis(label="φ"),
        lines=tuple(
            Line(name=name, color=name, x=series.get("step", ()), y=series.get(column, ()))
            for name, column in (("measured", "phi"), ("predicted", "predicted"))
        ),
    )
