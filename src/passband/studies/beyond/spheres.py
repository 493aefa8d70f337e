"""A network with batch norm: flatness on the spheres of its weights, and the norms that lock."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

from typing_extensions import override

from passband.studies.beyond.shared import SmallRun, table
from passband.studies.checkpoints import NOWHERE, Checkpoints
from passband.studies.claims import Claim
from passband.studies.exhibits import Axis, Exhibit, Figure, Level, Line, Panel
from passband.studies.record import Measurement, Record
from passband.studies.study import Run, Study


@final
@dataclass(frozen=True, kw_only=True)
class NormalizedTraining(SmallRun):
    """Full-batch gradient descent with weight decay on a small network with batch norm.

    Args:
        images: Of the MNIST subset, 14 × 14 pixels.
        hidden: Units of the two hidden layers.
        lr: Learning rate.
        weight_decay: Of the normalized weights and all others.
        steps: How many.
        every: Steps between two measurements of the spheres.
        gain: Multiplies the initial normalized weights.
    """

    study: ClassVar[str] = "normalized-networks"

    images: int = 300
    hidden: int = 24
    lr: float = 1.0
    weight_decay: float = 2e-3
    steps: int = 3000
    every: int = 150
    gain: float = 1.0

    @property
    @override
    def label(self) -> str:
        return f"initial weights × {self.gain:g}, weight decay {self.weight_decay:g}"

    @property
    @override
    def cost(self) -> float:
        return self.steps * 3e-3

    @override
    def measure(self, checkpoints: Checkpoints = NOWHERE) -> Measurement:
        import torch
        from torch import nn
        from torch.nn.functional import cross_entropy

        from passband.problem import Objective
        from passband.studies.images import mnist
        from passband.studies.sharpness import kept, largest
        from passband.studies.training import one_thread
        from passband.verdict import spherical

        h = self.hidden
        with one_thread(), torch.random.fork_rng(devices=()):
            torch.manual_seed(self.seed)
            model = nn.Sequential(
                nn.Linear(196, h, bias=False),
                nn.BatchNorm1d(h),
                nn.Tanh(),
                nn.Linear(h, h, bias=False),
                nn.BatchNorm1d(h),
                nn.Tanh(),
                nn.Linear(h, 10),
            )
            normalized: list[Any] = [model[0].weight, model[3].weight]
            _scale(normalized, self.gain)
            images = mnist(train=self.images, test=0, side=14).train
            data = (images.x, images.y)
            optimizer = torch.optim.SGD(model.parameters(), self.lr, weight_decay=self.weight_decay)
            rows: list[tuple[float, ...]] = []
            for step in range(self.steps + 1):
                if step % self.every == 0:
                    found = spherical(model, cross_entropy, data, optimizer, each=False, rtol=1e-2)
                    norm = float(normalized[0].detach().norm())
                    rows.append((float(step), found.ratio, norm))
                optimizer.zero_grad()
                cross_entropy(model(images.x), images.y).backward()
                optimizer.step()
            plain, spheres, spectra = [], [], {}
            for name in ("last", "doubled"):
                spectrum = largest(Objective(model, cross_entropy, data), rtol=1e-3, verify=True)
                plain.append(float(spectrum.values[0]))
                spectra[name] = kept(spectrum)
                found = spherical(model, cross_entropy, data, optimizer, rtol=1e-3)
                spheres.append({sphere.name: sphere.sharpness for sphere in found.spheres})
                _scale(normalized, 2.0)
        steps, ratios, norms = zip(*rows, strict=True)
        one, other = spheres
        change = max(abs(other[name] / h - 1) for name, h in one.items() if name in other)
        return Measurement(
            metrics={
                "ratio": statistics.median(ratios[len(ratios) // 2 :]),
                "plain": plain[0],
                "plain_doubled": plain[1],
                "plain_change": plain[1] / plain[0],
                "spherical": max(one.values()),
                "spherical_change": change,
                "norm": norms[-1],
            },
            spectra=spectra,
            series={"step": steps, "ratio": ratios, "norm": norms},
        )


def _scale(weights: Sequence[Any], factor: float) -> None:
    for weight in weights:
        weight.data.mul_(factor)


@final
@dataclass(frozen=True, kw_only=True)
class NormalizedNetworks(Study):
    """One network from small and from large initial weights.

    Args:
        steps: Of each training.
    """

    name: ClassVar[str] = "normalized-networks"
    title: ClassVar[str] = "Networks with batch norm"
    source: ClassVar[str] = (
        "Lyu, Li, Arora, arXiv 2206.07085; arXiv 2510.09034 reports no visible flattening there"
    )
    question: ClassVar[str] = (
        "Where weights can be scaled without changing the function, the Hessian says nothing of "
        "flatness. Does curvature on spheres, and do norms adapt until the step is at its edge?"
    )
    tolerance: ClassVar[float] = 0.3
    """Of the median over the second half. Above the edge a norm jumps, below it decay shrinks it
    slowly, so the ratio spends most steps below one; it starts at 3.4 and at 0.4."""

    steps: int = 3000

    @override
    def runs(self) -> tuple[Run, ...]:
        return tuple(NormalizedTraining(gain=gain, steps=self.steps) for gain in (1.0, 3.0))

    @classmethod
    @override
    def claims(cls, records: Sequence[Record]) -> list[Claim]:
        found: list[Claim] = []
        for record in records:
            label = record.configuration["label"]
            change = record.metric("plain_change")
            found += [
                Claim.near(
                    f"{label}: doubled weights, the same function, have the same spherical "
                    "sharpness",
                    record.metric("spherical_change"),
                    expected=0.0,
                    tolerance=0.01,
                ),
                Claim(
                    f"{label}: their largest Hessian eigenvalue is another one",
                    None if math.isnan(change) else change < 0.9,
                    f"{change:.3g} times",
                ),
                Claim.near(
                    f"{label}: the norms end where the spherical curvature is at its edge",
                    record.metric("ratio"),
                    expected=1.0,
                    tolerance=cls.tolerance,
                ),
            ]
        return found

    @classmethod
    @override
    def exhibits(cls, records: Sequence[Record]) -> list[Exhibit]:
        if not records:
            return []
        return [
            Figure(
                key="normalized-networks-ratio",
                title="Norms lock where the step on the sphere is at its edge",
                caption=(
                    "Largest curvature on all spheres together over what gradient descent holds "
                    "at these norms, and the norm of the first layer, during training."
                ),
                panels=(
                    _panel(records, "ratio", "spherical curvature / edge"),
                    _panel(records, "norm", "norm of the first layer"),
                ),
                columns=2,
            ),
            table(
                records,
                key="normalized-networks-table",
                title="Flatness that depends on the scale of weights, and flatness that does not",
                caption=(
                    "At the end of training, and after doubling all normalized weights, which "
                    "leaves the function as it is."
                ),
                metrics=(
                    ("ratio, median of the second half", "ratio"),
                    ("λ₁", "plain"),
                    ("λ₁, weights doubled", "plain_doubled"),
                    ("spherical sharpness", "spherical"),
                    ("its relative change", "spherical_change"),
                ),
            ),
        ]


def _panel(records: Sequence[Record], column: str, label: str) -> Panel:
    levels = (Level(name="edge", color="ink", at=1.0),) if column == "ratio" else ()
    return Panel(
        title="",
        x=Axis(label="step"),
        y=Axis(label=label, log=True),
        lines=tuple(
            Line(
                name=str(record.configuration["label"]),
                color=str(record.configuration["label"]),
                x=record.measured.series.get("step", ()),
                y=record.measured.series.get(column, ()),
            )
            for record in records
        ),
        levels=levels,
    )
