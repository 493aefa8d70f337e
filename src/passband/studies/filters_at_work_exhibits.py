"""What `passband.studies.filters_at_work` shows of its records."""

import math
from collections.abc import Iterable, Mapping, Sequence

from passband.studies.claims import Sample
from passband.studies.exhibits import (
    Axis,
    Dots,
    Exhibit,
    Figure,
    Level,
    Line,
    Panel,
    Symbol,
    Table,
)
from passband.studies.methods import Method
from passband.studies.record import Record

VALUES = 3
"""Eigenvalues that are shown."""

Groups = Mapping[tuple[str, float], Sequence[Record]]
"""Records of all seeds, by name of method and momentum."""


def grouped(records: Iterable[Record]) -> Groups:
    """Return records by method and momentum, in order of appearance."""
    groups: dict[tuple[str, float], list[Record]] = {}
    for record in records:
        method = Method.of(record)
        groups.setdefault((method.name, method.momentum), []).append(record)
    return groups


def filters_at_work_exhibits(
    records: Sequence[Record], *, key: str = "filters-at-work", setting: str = ""
) -> list[Exhibit]:
    """Return the exhibits of at least one record; captions begin with the setting."""
    groups = grouped(records)
    setting = setting or _setting(records)
    return [
        _landed(groups, setting, key),
        _table(groups, setting, key),
        _distance(groups, key),
        _price(groups, key),
    ]


def _setting(records: Sequence[Record]) -> str:
    c = records[0].configuration
    widths = "-".join(map(str, (c["side"] ** 2, *c["hidden"], 10)))
    seeds = len({record.configuration["seed"] for record in records})
    epochs = sorted({record.configuration["epochs"] for record in records})
    return (
        f"ReLU network {widths}, cross-entropy, {c['train']} training images, batches of "
        f"{c['batch']}, {' or '.join(map(str, epochs))} epochs, "
        f"{seeds} seed{'s' if seeds > 1 else ''}."
    )


def _momenta(groups: Groups) -> list[float]:
    return sorted({momentum for _, momentum in groups})


def _eigenvalue(records: Sequence[Record], i: int) -> Sample:
    parts = (record.measured.spectra.get("largest") for record in records)
    return Sample.of(part.values[i] if part else math.nan for part in parts)


def _dots(name: str, samples: Mapping[str, Sample], symbol: Symbol) -> Dots:
    spread = {key: 0.0 if math.isnan(s.deviation) else s.deviation for key, s in samples.items()}
    return Dots(
        name=name,
        colors=tuple(samples),
        x=tuple(samples),
        y=tuple(s.mean for s in samples.values()),
        low=tuple(s.mean - spread[key] for key, s in samples.items()),
        high=tuple(s.mean + spread[key] for key, s in samples.items()),
        symbol=symbol,
    )


def _at(groups: Groups, momentum: float) -> dict[str, Sequence[Record]]:
    return {name: records for (name, m), records in groups.items() if m == momentum}


def _limits(groups: Groups) -> tuple[float, float] | None:
    """Return the range of all eigenvalues and edges, so that panels can be compared."""
    means = [_eigenvalue(records, i).mean for records in groups.values() for i in range(VALUES)]
    means += [record.metric("edge") for records in groups.values() for record in records]
    shown = [mean for mean in means if mean > 0]
    return (min(shown) / 2, max(shown) * 2) if shown else None


def _landed(groups: Groups, setting: str, key: str) -> Figure:
    limits = _limits(groups)

    def panel(momentum: float) -> Panel:
        here = _at(groups, momentum)
        eigenvalues = tuple(
            _dots(f"λ{'₁₂₃'[i]}", {n: _eigenvalue(r, i) for n, r in here.items()}, symbol)
            for i, symbol in enumerate(("dot", "ring", "small"))
        )
        edges = {n: Sample.of([r[0].metric("edge")]) for n, r in here.items()}
        return Panel(
            title=f"momentum {momentum:g}",
            x=Axis(label=""),
            y=Axis(label="curvature λ", log=True, limits=limits),
            dots=(*eigenvalues, _dots("edge", edges, "edge")),
        )

    return Figure(
        key=f"{key}-eigenvalues",
        title="Where training landed, and where it could have landed",
        caption=(
            f"{setting} The three largest Hessian eigenvalues of the loss on all training images, "
            "mean ± standard deviation over seeds; strokes are the edges of the filters. Noise of "
            "small batches keeps training far below the edge: being below is necessary, a lower "
            "eigenvalue is consistent with a lower edge and not a proof of it."
        ),
        panels=tuple(map(panel, _momenta(groups))),
        columns=2,
    )


def _distance(groups: Groups, key: str) -> Figure:
    def panel(momentum: float) -> Panel:
        here = _at(groups, momentum)
        ratios = {n: Sample.of(r.metric("ratio") for r in rs) for n, rs in here.items()}
        return Panel(
            title=f"momentum {momentum:g}",
            x=Axis(label=""),
            y=Axis(label="sharpness / edge", log=True, limits=(0.005, 2.0)),
            dots=(_dots("sharpness / edge", ratios, "dot"),),
            levels=(Level(name="edge", color="ink", at=1.0),),
        )

    return Figure(
        key=f"{key}-ratio",
        title="Distance to the edge",
        caption=(
            "Sharpness over the edge of the same optimizer, mean ± standard deviation over seeds. "
            "At one the filter would begin to act on the largest eigenvalue."
        ),
        panels=tuple(map(panel, _momenta(groups))),
        columns=2,
    )


def _price(groups: Groups, key: str) -> Figure:
    def panel(momentum: float) -> Panel:
        first = {n: records[0].measured.series for n, records in _at(groups, momentum).items()}
        return Panel(
            title=f"momentum {momentum:g}",
            x=Axis(label="gradient evaluations"),
            y=Axis(label="test accuracy"),
            lines=tuple(
                Line(name=n, color=n, x=s["gradients"], y=s["test_accuracy"])
                for n, s in first.items()
            ),
        )

    return Figure(
        key=f"{key}-price",
        title="Accuracy against what it cost",
        caption=(
            "Test accuracy after each epoch, first seed, over the batch gradients spent; a Hessian "
            "product counts as one."
        ),
        panels=tuple(map(panel, _momenta(groups))),
        columns=2,
    )


def _table(groups: Groups, setting: str, key: str) -> Table:
    def row(name: str, momentum: float, records: Sequence[Record]) -> tuple[str, ...]:
        def sample(metric: str) -> str:
            return str(Sample.of(record.metric(metric) for record in records))

        method = Method.of(records[0])
        return (
            name,
            f"{momentum:g}",
            f"{method.rho:g}" if method.rho else "—",
            sample("test_accuracy"),
            sample("train_loss"),
            *(str(_eigenvalue(records, i)) for i in range(VALUES)),
            sample("gradient_norm"),
            f"{records[0].metric('edge'):.4g}",
            f"{records[0].metric('gradients'):,.0f}",
        )

    parts = [p for rs in groups.values() for r in rs for p in r.measured.spectra.values()]
    errors = [error for part in parts for error in part.errors]
    return Table(
        key=f"{key}-table",
        title="Accuracy, flatness and price",
        caption=(
            f"{setting} Mean ± standard deviation over seeds; the estimated error of an eigenvalue "
            f"is {max(errors, default=math.nan):.1g} at most. ‖∇f‖: of the loss on all training "
            "images, without weight decay; a filter speaks of limits, where it is small. Edge: "
            "with coupled weight decay. "
            "Gradients: batch gradients a run, a Hessian product counted as one."
        ),
        columns=(
            "optimizer",
            "momentum",
            "ρ",
            "test accuracy",
            "train loss",
            "λ₁",
            "λ₂",
            "λ₃",
            "‖∇f‖",
            "edge",
            "gradients",
        ),
        rows=tuple(row(name, momentum, records) for (name, momentum), records in groups.items()),
        colors=tuple(name for name, _ in groups),
        essential=("optimizer", "momentum", "test accuracy", "λ₁", "edge", "gradients"),
    )
