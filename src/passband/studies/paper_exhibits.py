"""What `passband.studies.paper` shows: the chosen radii, all radii, and equal gradients."""

import math
from collections.abc import Mapping, Sequence

from passband.studies.claims import Sample
from passband.studies.exhibits import Axis, Exhibit, Figure, Line, Panel, Table
from passband.studies.filters_at_work_exhibits import filters_at_work_exhibits
from passband.studies.methods import Method
from passband.studies.record import Record

Readings = Mapping[tuple[str, float, str], Sequence[Record]]
"""Records of all seeds at the chosen radius, by network, momentum and name of method."""

Grid = Mapping[tuple[str, float, str], Mapping[float, Sequence[Record]]]


def reading(record: Record) -> str:
    """Return the network of a record in a word."""
    c = record.configuration
    return network_name(c["network_kind"], c["hidden"], depth=c["depth"], widen=c["widen"])


def network_name(kind: str, hidden: Sequence[int], *, depth: int, widen: float) -> str:
    """Return a network in a word: ``"128-64-10"``, or ``"WRN-16-8"``."""
    return f"WRN-{depth}-{widen:g}" if kind == "wide-resnet" else "-".join(map(str, hidden))


def grid(records: Sequence[Record]) -> Grid:
    """Return records by network, momentum and method, and then by radius."""
    found: dict[tuple[str, float, str], dict[float, list[Record]]] = {}
    for record in records:
        method = Method.of(record)
        place = found.setdefault((reading(record), method.momentum, method.name), {})
        place.setdefault(method.rho, []).append(record)
    return found


def readings(records: Sequence[Record]) -> Readings:
    """Return the records at the radius with the best mean accuracy on validation images.

    Radii of which a run diverged are left out unless there are no others; of equally good ones
    the smaller is chosen.
    """

    def merit(item: tuple[float, Sequence[Record]]) -> tuple[bool, float, float]:
        rho, runs = item
        sample = Sample.of(record.metric("validation_accuracy") for record in runs)
        return sample.complete, sample.mean if sample.complete else 0.0, -rho

    return {place: max(radii.items(), key=merit)[1] for place, radii in grid(records).items()}


def paper_exhibits(records: Sequence[Record], *, key: str) -> list[Exhibit]:
    """Return the exhibits of at least one record."""
    chosen, everything = readings(records), grid(records)
    names = list(dict.fromkeys(name for name, _, _ in chosen))
    shown: list[Exhibit] = [
        _equal_gradients(chosen, key),
        *(_radii(everything, n, key) for n in names),
    ]
    for name in names:
        here = [r for (n, _, _), runs in chosen.items() if n == name for r in runs]
        setting = _setting(here, name)
        shown += filters_at_work_exhibits(here, key=f"{key}-{name}", setting=setting)
    return shown


def _setting(records: Sequence[Record], name: str) -> str:
    c = records[0].configuration
    seeds = len({record.configuration["seed"] for record in records})
    return (
        f"{name}, data {c['data']}, cross-entropy, {c['train']} training images, batches of "
        f"{c['batch']}, {c['epochs']} epochs, {seeds} seed{'s' if seeds > 1 else ''}; radii with "
        f"the best accuracy on {c['validation']} validation images."
    )


def _mean(records: Sequence[Record], metric: str) -> float:
    return Sample.of(record.metric(metric) for record in records).mean


def _radii(everything: Grid, name: str, key: str) -> Figure:
    momenta = sorted({m for n, m, _ in everything if n == name})

    def panel(momentum: float, metric: str, label: str) -> Panel:
        here = {
            method: radii
            for (n, m, method), radii in everything.items()
            if (n, m) == (name, momentum)
        }
        rhos = [rho for radii in here.values() for rho in radii if rho > 0]
        span = (min(rhos), max(rhos)) if rhos else (0.01, 1.0)
        lines: list[Line] = []
        for method, radii in here.items():
            at = {rho: _mean(runs, metric) for rho, runs in sorted(radii.items())}
            if set(at) == {0.0}:  # no radius: a level
                at = dict.fromkeys(span, at[0.0])
            lines.append(Line(name=method, color=method, x=tuple(at), y=tuple(at.values())))
        return Panel(
            title=f"momentum {momentum:g}: {label}",
            x=Axis(label="radius ρ", log=True),
            y=Axis(label=label, log=metric == "sharpness"),
            lines=tuple(lines),
        )

    return Figure(
        key=f"{key}-{name}-radii",
        title=f"Every radius, {name}",
        caption=(
            "Means over seeds at the end of training; a gap is a radius at which a run diverged. "
            "Radii of different optimizers have different units: compare curves by what they "
            "reach, not at equal ρ."
        ),
        panels=tuple(
            panel(momentum, metric, label)
            for momentum in momenta
            for metric, label in (("sharpness", "curvature λ₁"), ("test_accuracy", "test accuracy"))
        ),
        columns=2,
    )


def _equal_gradients(chosen: Readings, key: str) -> Table:
    def sample(records: Sequence[Record], metric: str) -> str:
        return str(Sample.of(record.metric(metric) for record in records))

    def row(name: str, momentum: float, method: str, records: Sequence[Record]) -> tuple[str, ...]:
        rho = Method.of(records[0]).rho
        spent = records[0].metric("gradients_at_budget")
        return (
            method,
            name,
            f"{momentum:g}",
            f"{rho:g}" if rho else "—",
            "—" if math.isnan(spent) else f"{spent:,.0f}",
            sample(records, "sharpness_at_budget"),
            sample(records, "test_accuracy_at_budget"),
            sample(records, "sharpness"),
            sample(records, "test_accuracy"),
            f"{records[0].metric('gradients'):,.0f}",
        )

    return Table(
        key=f"{key}-equal-gradients",
        title="Equal gradients, and equal epochs",
        caption=(
            "Mean ± standard deviation over seeds, at the radius chosen on validation images. "
            "At equal gradients: after the epoch in which an optimizer has spent what SGD spends "
            "in all. At equal epochs: at the end."
        ),
        columns=(
            "optimizer",
            "network",
            "momentum",
            "ρ",
            "gradients",
            "λ₁ then",
            "accuracy then",
            "λ₁ at the end",
            "accuracy at the end",
            "gradients at the end",
        ),
        rows=tuple(
            row(name, momentum, method, runs) for (name, momentum, method), runs in chosen.items()
        ),
        colors=tuple(method for _, _, method in chosen),
        essential=("optimizer", "network", "momentum", "ρ", "λ₁ then", "λ₁ at the end"),
    )
