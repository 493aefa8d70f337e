"""How much feedback a driven system bears: the predicted threshold against the spectrum."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Float, Num
from passband.studies.claims import Claim
from passband.studies.exhibits import Axis, Exhibit, Figure, Line, Panel
from passband.studies.record import Measurement, Record
from passband.studies.study import Run, Study
from passband.studies.transients.instances import instance
from passband.transients import Blocks, critical_feedback

_TRIED = 80  # norms of feedback between which the first instability is bracketed
_REACH = 1e4  # in units of the predicted threshold


@final
@dataclass(frozen=True, kw_only=True)
class FeedbackRun(Run):
    """One size of blocks, over couplings.

    Args:
        radius: Of the driving block.
        driven: Of the driven block.
        size: Variables of each player.
        couplings: ``‖C‖``.
        draws: Random feedbacks for every game.
    """

    study: ClassVar[str] = "feedback-thresholds"

    radius: float
    driven: float
    size: int
    couplings: tuple[float, ...]
    draws: int

    @property
    @override
    def label(self) -> str:
        return f"γ = {self.radius:g} and {self.driven:g}, {self.size} variables each"

    @property
    @override
    def cost(self) -> float:
        return len(self.couplings) * (self.draws + 2) * 0.01 * (1 + self.size / 4) ** 2

    @override
    def measure(self, checkpoints: Any = None) -> Measurement:
        rng = np.random.default_rng(self.seed)
        rows = [self._row(c, rng) for c in self.couplings]
        series = {name: tuple(row[name] for row in rows) for name in rows[0]}
        return Measurement(series={"step": tuple(map(float, range(len(rows)))), **series})

    def _row(self, c: float, rng: np.random.Generator) -> dict[str, float]:
        game = instance(radius=self.radius, driven=self.driven, coupling=c, size=self.size, rng=rng)
        predicted = Blocks(a=self.radius, b=self.driven, c=c).critical_feedback
        worst = game.extremal()
        back = np.outer(game.x, game.y)
        drawn = [_unit(rng.standard_normal((self.size, self.size))) for _ in range(self.draws)]
        least = critical_feedback(game.A, game.B, game.C)
        touched = np.linalg.eigvals(game.with_feedback(least.feedback))
        return {
            "coupling": c,
            "predicted": predicted,
            "extremal": _threshold(worst.with_feedback, back, predicted),
            "random": min(_threshold(game.with_feedback, E, predicted) for E in drawn),
            "extremal game": min(_threshold(worst.with_feedback, E, predicted) for E in drawn),
            "instance": least.norm,
            "instance radius": float(np.abs(touched).max()),
        }


def _unit(E: Float[ndarray, "n m"]) -> Float[ndarray, "n m"]:
    return E / np.linalg.norm(E, 2)


def _threshold(
    system: Callable[[Any], Num[ndarray, "k k"]], E: Float[ndarray, "n m"], scale: float
) -> float:
    """Return the least t at which ``J + tE`` has an eigenvalue on the unit circle; inf if none."""

    def radius(t: float) -> float:
        return float(np.abs(np.linalg.eigvals(system(t * E))).max())

    low = 0.0
    for high in (scale * np.geomspace(0.5, _REACH, _TRIED)).tolist():
        if radius(high) >= 1:
            break
        low = high
    else:
        return math.inf
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (low, middle) if radius(middle) >= 1 else (middle, high)
    return high


@final
@dataclass(frozen=True, kw_only=True)
class FeedbackThresholds(Study):
    """The predicted critical coupling, found by spectra.

    Args:
        radii: Of the driving and the driven block.
        sizes: Variables of each player.
        couplings: ``‖C‖``.
        draws: Random feedbacks for every game.
        seeds: Games of each kind.
    """

    name: ClassVar[str] = "feedback-thresholds"
    title: ClassVar[str] = "How much feedback coupled descent bears"
    source: ClassVar[str] = (
        "a critical coupling threshold: arXiv 2606.04031; ‖E‖‖C‖ = (1−a)(1−b): equation "
        "(5) of docs/theory/coupled.md"
    )
    question: ClassVar[str] = (
        "The driven player begins to answer. At which strength does the first game of a class "
        "become unstable, and does any become unstable before?"
    )

    radii: tuple[tuple[float, float], ...] = ((0.9, 0.9), (0.9, 0.99), (0.99, 0.8))
    sizes: tuple[int, ...] = (1, 3, 8)
    couplings: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
    draws: int = 20
    seeds: int = 1

    @override
    def runs(self) -> tuple[Run, ...]:
        return tuple(
            FeedbackRun(
                radius=a,
                driven=b,
                size=size,
                couplings=self.couplings,
                draws=self.draws,
                seed=seed,
            )
            for a, b in self.radii
            for size in self.sizes
            for seed in range(self.seeds)
        )

    @classmethod
    @override
    def claims(cls, records: Sequence[Record]) -> list[Claim]:
        def column(name: str) -> Float[ndarray, " k"]:
            return np.array([v for r in records for v in r.measured.series.get(name, ())])

        predicted = column("predicted")
        if not predicted.size:
            return []
        met = float(np.abs(column("extremal") / predicted - 1).max())
        drawn = np.concatenate([column("random"), column("extremal game"), column("instance")])
        least = float((drawn / np.tile(predicted, 3)).min())
        margin = column("random") / column("instance")
        touched = float(np.abs(column("instance radius") - 1).max())
        return [
            Claim(
                "the extremal game becomes unstable at ‖E‖‖C‖ = (1−a)(1−b)",
                met <= 1e-7,
                f"largest relative distance {met:.1e} in {predicted.size} games",
            ),
            Claim(
                "no game becomes unstable below",
                least >= 1 - 1e-9,
                f"the earliest at {least:.9g} of the prediction",
            ),
            Claim(
                "the exact threshold of a game is attained: an eigenvalue is on the unit circle",
                touched <= 1e-6,
                f"largest distance {touched:.1e}",
            ),
            Claim(
                "no random feedback does it with less than the exact threshold of its game",
                bool(margin.min() >= 1 - 1e-9),
                f"between {margin.min():.3g} and {np.nanmedian(margin):.3g} (median) times",
            ),
        ]

    @classmethod
    @override
    def exhibits(cls, records: Sequence[Record]) -> list[Exhibit]:
        kept = [record for record in records if record.measured.series]
        return [_figure(kept)] if kept else []


_SHOWN = {
    "predicted": "predicted, (1−a)(1−b)/c",
    "extremal": "extremal game, by spectra",
    "instance": "random game, least feedback",
    "random": "random game, random feedback",
}


def _figure(records: Sequence[Record]) -> Figure:
    return Figure(
        key="feedback-thresholds",
        title="The feedback at which games become unstable",
        caption=(
            "Norm of the feedback against norm of the coupling; below the lowest line every game "
            "of the class is stable. Random feedback: the least of all draws."
        ),
        panels=tuple(
            Panel(
                title=str(record.configuration["label"]),
                x=Axis(label="coupling ‖C‖", log=True),
                y=Axis(label="feedback ‖E‖", log=True),
                lines=tuple(
                    Line(
                        name=text,
                        color=text,
                        x=record.measured.series["coupling"],
                        y=record.measured.series[name],
                    )
                    for name, text in _SHOWN.items()
                ),
            )
            for record in records
        ),
        columns=3,
    )
