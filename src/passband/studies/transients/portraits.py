"""Pseudospectra of two games with the same eigenvalues."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from typing_extensions import override

from passband.studies.claims import Claim
from passband.studies.exhibits import Axis, Contours, Exhibit, Figure, Line, Panel, Points
from passband.studies.record import Measurement, Record
from passband.studies.study import Run, Study
from passband.studies.transients.instances import instance
from passband.transients import growth, kreiss, pseudospectrum

_WINDOW = (-0.35, 1.35), (-0.6, 0.6)
_LEVELS = (-4.0, -0.5, 0.5)


@final
@dataclass(frozen=True, kw_only=True)
class PortraitRun(Run):
    """One game.

    Args:
        radius: γ, of both blocks.
        coupling: ``c / (1 − γ)``.
        size: Variables of each player.
        side: Points of the grid, each way.
    """

    study: ClassVar[str] = "coupling-portraits"

    radius: float
    coupling: float
    size: int
    side: int

    @property
    @override
    def label(self) -> str:
        return f"c/(1−γ) = {self.coupling:g}"

    @property
    @override
    def cost(self) -> float:
        return 1.0 + self.side**2 * 5e-4

    @override
    def measure(self, checkpoints: Any = None) -> Measurement:
        rng = np.random.default_rng(self.seed)
        c = self.coupling * (1 - self.radius)
        game = instance(radius=self.radius, coupling=c, size=self.size, rng=rng).extremal()
        J = game.matrix
        x, y = (np.linspace(*ends, self.side) for ends in _WINDOW)
        sigma = pseudospectrum(J, x, y).sigma
        columns, rows = np.meshgrid(x, y)
        values = np.linalg.eigvals(J)
        count = columns.size
        return Measurement(
            metrics={
                "radius": float(np.abs(values).max()),
                "kreiss": kreiss(J).lower,
                "peak": growth(J).peak,
            },
            series={
                "step": tuple(map(float, range(count))),
                "x": tuple(columns.ravel().tolist()),
                "y": tuple(rows.ravel().tolist()),
                "log sigma": tuple(np.log10(np.maximum(sigma, 1e-300)).ravel().tolist()),
                "eigenvalue, real": _padded(np.real(values), count),
                "eigenvalue, imaginary": _padded(np.imag(values), count),
            },
        )


def _padded(values: Any, length: int) -> tuple[float, ...]:
    return (*map(float, values), *[math.nan] * (length - len(values)))


@final
@dataclass(frozen=True, kw_only=True)
class Portraits(Study):
    """The same eigenvalues, and pseudospectra that reach differently far.

    Args:
        radius: γ.
        couplings: ``c / (1 − γ)``.
        size: Variables of each player.
        side: Points of the grid, each way.
    """

    name: ClassVar[str] = "coupling-portraits"
    title: ClassVar[str] = "The same eigenvalues, another transient"
    source: ClassVar[str] = "Trefethen and Embree, Spectra and Pseudospectra, 2005, chapter 14"
    question: ClassVar[str] = (
        "Two games have the same eigenvalues, well inside the unit circle. What do eigenvalues of "
        "slightly perturbed ones look like, and how far outside are they?"
    )

    radius: float = 0.8
    couplings: tuple[float, ...] = (0.5, 20.0)
    size: int = 6
    side: int = 44

    @override
    def runs(self) -> tuple[Run, ...]:
        return tuple(
            PortraitRun(radius=self.radius, coupling=u, size=self.size, side=self.side)
            for u in self.couplings
        )

    @classmethod
    @override
    def claims(cls, records: Sequence[Record]) -> list[Claim]:
        known = [r for r in records if math.isfinite(r.metric("peak"))]
        statement = "of two games with the same eigenvalues one has twice the transient"
        if len(known) < 2:
            return [Claim(statement, None, "one of the two is missing")]
        peaks = [record.metric("peak") for record in known]
        radii = [record.metric("radius") for record in known]
        same = max(radii) - min(radii) <= 1e-6
        evidence = f"peaks {', '.join(f'{p:.4g}' for p in peaks)} at radius {radii[0]:.6g}"
        return [Claim(statement, same and max(peaks) >= 2 * min(peaks), evidence)]

    @classmethod
    @override
    def exhibits(cls, records: Sequence[Record]) -> list[Exhibit]:
        kept = [record for record in records if record.measured.series]
        if not kept:
            return []
        return [
            Figure(
                key="coupling-portraits",
                title="Pseudospectra of two games with the same eigenvalues",
                caption=(
                    "Lines: log10 of the least perturbation of the Jacobian that puts an "
                    "eigenvalue there. Where it reaches far outside the unit circle for its "
                    "size, the Kreiss constant is large."
                ),
                panels=tuple(_panel(record) for record in kept),
                columns=2,
            )
        ]


def _panel(record: Record) -> Panel:
    series = record.measured.series
    x, y = (tuple(sorted(set(series[name]))) for name in ("x", "y"))
    angles = np.linspace(-np.pi, np.pi, 181)
    circle = np.cos(angles), np.sin(angles)
    seen = np.abs(circle[1]) <= _WINDOW[1][1]
    right = seen & (circle[0] > 0)
    first, last, apart = _LEVELS
    label = str(record.configuration["label"])
    return Panel(
        title=f"{label}: K = {record.metric('kreiss'):.4g}, peak {record.metric('peak'):.4g}",
        x=Axis(label="real part", limits=_WINDOW[0]),
        y=Axis(label="imaginary part", limits=_WINDOW[1]),
        contours=(
            Contours(
                name="log10 ε",
                color="ε-pseudospectra",
                x=x,
                y=y,
                values=series["log sigma"],
                first=first,
                last=last,
                apart=apart,
            ),
        ),
        lines=(
            Line(
                name="unit circle",
                color="unit circle",
                x=tuple(circle[0][right].tolist()),
                y=tuple(circle[1][right].tolist()),
            ),
        ),
        points=(
            Points(
                name="eigenvalues",
                color="eigenvalues",
                x=series["eigenvalue, real"],
                y=series["eigenvalue, imaginary"],
            ),
        ),
        plane=True,
    )
