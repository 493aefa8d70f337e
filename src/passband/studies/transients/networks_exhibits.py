"""What `passband.studies.transients.networks` shows."""

import math
from collections.abc import Sequence

from passband.studies.exhibits import Axis, Exhibit, Figure, Level, Line, Panel, Table, number
from passband.studies.record import Record

_CURVES = {
    "envelope": "largest power, from below",
    "linear": "Jacobian, worst direction",
    "measured": "training, worst direction",
    "random": "training, random directions",
}


def networks_exhibits(records: Sequence[Record]) -> list[Exhibit]:
    """Return growth curves with what was predicted, the reach of the prediction, and a table."""
    kept = [record for record in records if record.measured.series]
    if not kept:
        return []
    return [
        Figure(
            key="coupled-networks-growth",
            title="Perturbations of training at rest: predicted and watched",
            caption=(
                "Distance to the equilibrium, in units of the perturbation, 1e-4 of the state. "
                "Lines across: Kreiss constant from below, and the predicted peak. Random: the "
                "largest of all draws."
            ),
            panels=tuple(_growth(record) for record in kept),
            columns=2,
        ),
        Figure(
            key="coupled-networks-trust",
            title="Where the linear picture ends",
            caption=(
                "Largest growth of perturbations along the worst direction, both signs, against "
                "their size; the band is 10 % around the prediction."
            ),
            panels=tuple(_trust(record) for record in kept),
            columns=2,
        ),
        _table(records),
    ]


def _growth(record: Record) -> Panel:
    series = record.measured.series
    K, peak = record.metric("Kreiss lower"), record.metric("peak")
    return Panel(
        title=str(record.configuration["label"]),
        x=Axis(label="steps after the perturbation"),
        y=Axis(label="growth", log=True),
        lines=tuple(
            Line(name=text, color=text, x=series["step"], y=series[name])
            for name, text in _CURVES.items()
        ),
        levels=tuple(
            Level(name=f"{name} {value:.3g}", color=name, at=value)
            for name, value in (("K ≥", K), ("peak", peak))
            if math.isfinite(value)
        ),
    )


def _trust(record: Record) -> Panel:
    series = record.measured.series
    peak = record.metric("peak")
    return Panel(
        title=str(record.configuration["label"]),
        x=Axis(label="size of the perturbation / size of the state", log=True),
        y=Axis(label="growth"),
        lines=(
            Line(
                name="training",
                color="training, worst direction",
                x=series["relative size"],
                y=series["height"],
            ),
            Line(
                name="predicted",
                color="Jacobian, worst direction",
                x=series["relative size"],
                y=tuple(math.nan if math.isnan(s) else peak for s in series["relative size"]),
            ),
        ),
    )


def _table(records: Sequence[Record]) -> Table:
    rows: list[tuple[str, ...]] = []
    for record in records:
        value = record.metric
        driver = next(
            (
                name.removeprefix("start in ")
                for name in record.measured.metrics
                if name.startswith("start in ")
            ),
            "",
        )
        rows.append(
            (
                str(record.configuration["label"]),
                number(value("size")),
                f"{value('radius'):.6f}" if math.isfinite(value("radius")) else "—",
                f"{number(value('Kreiss lower'), 4)} … {number(value('Kreiss upper'), 4)}",
                f"{number(value('peak'), 4)} at {number(value('peak step'))}",
                f"{number(value('measured peak'), 4)} at {number(value('measured step'))}",
                number(value("largest random"), 3),
                f"{number(value('linear settling'))} / {number(value('measured settling'))}",
                number(value("trust"), 2),
                f"{value(f'start in {driver}'):.0%} {driver}" if driver else "—",
            )
        )
    return Table(
        key="coupled-networks-table",
        title="What was predicted, and what happened",
        caption=(
            "Peak: growth at a step. Settling: steps until a thousandth, by the Jacobian and in "
            "training. Trust: the smallest size, relative to the state, at which the peak is more "
            "than 10 % off. Worst start: how much of it is in the driving player."
        ),
        columns=(
            "training",
            "entries",
            "radius",
            "Kreiss constant",
            "predicted peak",
            "measured peak",
            "random",
            "settling",
            "trust",
            "worst start",
        ),
        rows=tuple(rows),
        essential=("training", "radius", "predicted peak", "measured peak", "random"),
    )
