"""Kreiss constants of linear-quadratic games against what is known of them beforehand."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from typing_extensions import override

from passband.errors import UnconvergedWarning
from passband.studies.claims import Claim
from passband.studies.exhibits import Exhibit
from passband.studies.record import Measurement, Record
from passband.studies.study import Run, Study
from passband.studies.transients.bounds_exhibits import bounds_exhibits
from passband.studies.transients.instances import Instance, instance
from passband.transients import Blocks, certificate, growth, kreiss

EPS = 1e-3
_RTOL = 1e-6
_CERTIFIED = 8  # variables of a player up to which the matrix inequality is solved

_KINDS = ("random", "extremal")


@final
@dataclass(frozen=True, kw_only=True)
class CouplingRun(Run):
    """One size of blocks and one radius, over couplings.

    Args:
        radius: γ, of both blocks.
        size: Variables of each player.
        couplings: ``c / (1 − γ)``: in these units the constant does not depend on γ.
    """

    study: ClassVar[str] = "coupling-bounds"

    radius: float
    size: int
    couplings: tuple[float, ...]

    @property
    @override
    def label(self) -> str:
        return f"γ = {self.radius:g}, {self.size} variables each"

    @property
    @override
    def cost(self) -> float:
        return len(self.couplings) * (0.3 + 1.5e-5 * (2 * self.size) ** 3)

    @override
    def measure(self, checkpoints: Any = None) -> Measurement:
        rng = np.random.default_rng(self.seed)
        rows = [self._row(u, rng) for u in self.couplings]
        series = {name: tuple(row[name] for row in rows) for name in rows[0]}
        return Measurement(series={"step": tuple(map(float, range(len(rows)))), **series})

    def _row(self, u: float, rng: np.random.Generator) -> dict[str, float]:
        margin = 1 - self.radius
        blocks = Blocks.from_margins(alpha=margin, beta=margin, c=u * margin)
        drawn = instance(radius=self.radius, coupling=u * margin, size=self.size, rng=rng)
        row = {
            "coupling": u,
            "exact": blocks.kreiss,
            "published": blocks.published_bound,
            "exact peak": blocks.peak,
            "exact steps": blocks.steps(EPS),
            "simple steps": 2 / margin * math.log((1 + 8 * blocks.kreiss) / EPS),
        }
        for kind, one in zip(_KINDS, (drawn, drawn.extremal()), strict=True):
            found = _measured(one, certified=self.size <= _CERTIFIED)
            row |= {f"{kind} {name}": value for name, value in found.items()}
        return row


def _measured(game: Instance, *, certified: bool) -> dict[str, float]:
    """Return what is true of one game, with both sides of the Kreiss constant."""
    J = game.matrix
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnconvergedWarning)  # the bracket says it
        K = kreiss(J, rtol=_RTOL)
    grown = growth(J)
    return {
        "lower": K.lower,
        "upper": K.upper,
        "peak": grown.peak,
        "steps": grown.settling(EPS),
        "certificate": certificate(J).growth if certified else math.nan,
    }


@final
@dataclass(frozen=True, kw_only=True)
class CouplingBounds(Study):
    """The exact block constant, the published bound, and the truth.

    Args:
        radii: γ.
        sizes: Variables of each player.
        couplings: ``c / (1 − γ)``.
        seeds: Games of each kind.
    """

    name: ClassVar[str] = "coupling-bounds"
    title: ClassVar[str] = "How large transients of coupled descent are"
    source: ClassVar[str] = (
        "published bound and minimax statement: arXiv 2606.04031; exact constant: equation "
        "(3) of docs/theory/coupled.md"
    )
    question: ClassVar[str] = (
        "Two players descend quadratic losses, one reads the other. How far do perturbations go, "
        "and what do the radii of the blocks and the norm of the coupling say beforehand?"
    )

    radii: tuple[float, ...] = (0.9, 0.99, 0.999)
    sizes: tuple[int, ...] = (2, 8, 20)
    couplings: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 300.0, 1000.0)
    seeds: int = 1

    @override
    def runs(self) -> tuple[Run, ...]:
        return tuple(
            CouplingRun(radius=radius, size=size, couplings=self.couplings, seed=seed)
            for radius in self.radii
            for size in self.sizes
            for seed in range(self.seeds)
        )

    @classmethod
    @override
    def claims(cls, records: Sequence[Record]) -> list[Claim]:
        rows = [row for record in records for row in rows_of(record)]
        if not rows:
            return []
        largest = _worst(rows, lambda r, k: r[f"{k} lower"] / r["exact"])
        published = _worst(rows, lambda r, k: r[f"{k} upper"] / r["published"])
        strong = [row for row in rows if row["coupling"] >= 2]
        attained = max(
            max(
                abs(r["extremal lower"] / r["exact"] - 1), abs(r["extremal upper"] / r["exact"] - 1)
            )
            for r in rows
        )
        same = [
            max(group) / min(group) - 1
            for u in {row["coupling"] for row in rows}
            for group in [[row["extremal lower"] for row in rows if row["coupling"] == u]]
        ]
        loose = [r["published"] / r["random lower"] for r in rows]
        tight = [r["exact"] / r["random lower"] for r in rows]
        peaks = [r["extremal peak"] / r["exact"] for r in rows]
        late = _worst(rows, lambda r, k: r[f"{k} steps"] / r["simple steps"])
        exact_late = max(abs(r["extremal steps"] - r["exact steps"]) for r in rows)
        return [
            Claim(
                "no game exceeds the exact block constant",
                largest <= 1 + 1e-6,
                f"largest ratio {largest:.9g} of {2 * len(rows)}",
            ),
            Claim(
                "the published bound holds",
                published <= 1,
                f"largest ratio {published:.3g}; median excess {np.median(loose):.3g} times "
                f"against {np.median(tight):.3g} times for the exact constant",
            ),
            Claim(
                "the minimax game attains c/(4(1−γ)) + (1−γ)/c, and 1 below c = 2(1−γ)",
                attained <= 1e-5,
                f"largest relative distance {attained:.1e}",
            ),
            Claim(
                "the constant knows neither the step size nor the dimension: it is that of "
                "c/(1−γ) alone",
                max(same) <= 1e-5,
                f"largest relative spread {max(same):.1e} over {len(records)} radii and sizes",
            ),
            Claim(
                "a quarter of the coupling, the published coefficient, is sharp",
                _near_quarter(strong),
                f"K (1−γ)/c = {_quarter(strong):.6g} at the strongest coupling",
            ),
            Claim(
                "the largest power lies between K and 4K, whatever the dimension",
                min(peaks) >= 1 - 1e-9 and max(peaks) <= 4,
                f"from {min(peaks):.4g} K to {max(peaks):.4g} K at the minimax games",
            ),
            Claim(
                "2/(1−γ) ln((1 + 8K)/ε) steps are enough",
                late <= 1,
                f"largest ratio {late:.3g}; the exact number, from the blocks, is "
                f"{'met' if exact_late <= 1 else 'missed'} by the minimax games",
            ),
            _warm_up(rows),
            *_certificates(rows),
        ]

    @classmethod
    @override
    def exhibits(cls, records: Sequence[Record]) -> list[Exhibit]:
        return bounds_exhibits(records) if records else []


def rows_of(record: Record) -> list[dict[str, float]]:
    """Return what a run measured, one coupling after the other, with its radius and size."""
    series = record.measured.series
    own = {name: float(record.configuration[name]) for name in ("radius", "size")}
    return [
        own | dict(zip(series, values, strict=True))
        for values in zip(*series.values(), strict=True)
    ]


def _worst(
    rows: Sequence[dict[str, float]], ratio: Callable[[dict[str, float], str], float]
) -> float:
    return max(ratio(row, kind) for row in rows for kind in _KINDS)


def _quarter(rows: Sequence[dict[str, float]]) -> float:
    if not rows:
        return math.nan
    strongest = max(rows, key=lambda row: row["coupling"])
    return strongest["extremal lower"] / strongest["coupling"]


def _near_quarter(rows: Sequence[dict[str, float]]) -> bool | None:
    if not rows:
        return None
    u = max(row["coupling"] for row in rows)
    return abs(_quarter(rows) - 0.25) <= 1.01 / u**2


def _warm_up(rows: Sequence[dict[str, float]]) -> Claim:
    """Claim that a doubled constant costs ``ln 2 / (1 − γ)`` further steps."""
    statement = "steps grow with ln K / (1−γ): coupling costs a warm-up, no rate, within 20 %"
    strong = [row for row in rows if row["coupling"] >= 10]
    if len({row["coupling"] for row in strong}) < 2:
        return Claim(statement, None, "too few couplings")
    slopes: list[float] = []
    for radius in sorted({row["radius"] for row in strong}):
        group = [row for row in strong if row["radius"] == radius]
        logs = [math.log(row["exact"]) for row in group]
        times = [row["extremal steps"] * -math.log(radius) for row in group]
        slopes.append(float(np.polyfit(logs, times, 1)[0]))
    evidence = f"slopes {', '.join(f'{slope:.3g}' for slope in slopes)}; 1 expected"
    return Claim(statement, all(abs(slope - 1) <= 0.2 for slope in slopes), evidence)


def _certificates(rows: Sequence[dict[str, float]]) -> list[Claim]:
    """Claim what quadratic certificates prove, where the matrix inequality was solved."""
    solved = [row for row in rows if math.isfinite(row["extremal certificate"])]
    statement = "the best quadratic Lyapunov function proves no less than the largest power"
    second = "from the blocks alone the peak is known better than by a quadratic Lyapunov function"
    if not solved:
        return [Claim(text, None, "no game is small enough") for text in (statement, second)]
    least = min(
        row[f"{kind} certificate"] / row[f"{kind} peak"] for row in solved for kind in _KINDS
    )
    strong = [row for row in solved if row["coupling"] >= 10]
    excess = [row["extremal certificate"] / row["extremal peak"] for row in strong]
    drawn = [row["random certificate"] / row["random peak"] for row in strong]
    closed = [row["exact peak"] / row["extremal peak"] for row in strong]
    ratios = f"certificate over peak: {np.median(excess):.3g} at minimax games"
    return [
        Claim(
            statement,
            least >= 1 - 1e-6,
            f"{ratios}, {np.median(drawn):.3g} at random ones (medians)",
        ),
        Claim(
            second,
            bool(strong) and max(closed) <= min(excess),
            f"at minimax games: {max(closed):.6g} times the peak from the blocks, "
            f"{min(excess):.4g} times or more by the certificate",
        ),
    ]
