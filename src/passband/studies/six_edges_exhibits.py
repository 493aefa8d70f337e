"""What `passband.studies.six_edges` shows of its records."""

from collections.abc import Sequence

from passband.studies.exhibits import (
    Axis,
    Dots,
    Exhibit,
    Figure,
    Level,
    Line,
    Panel,
    Span,
    Table,
    number,
)
from passband.studies.filter_curves import filter_curves
from passband.studies.methods import Method
from passband.studies.record import Record


def six_edges_exhibits(
    records: Sequence[Record], *, tolerance: float, key: str = "six-edges"
) -> list[Exhibit]:
    """Return the exhibits of at least one record; the first seed stands for curves."""
    seed = records[0].configuration["seed"]
    first = [record for record in records if record.configuration["seed"] == seed]
    return [
        _sharpness(first, key),
        _ratios(first, records, tolerance, key),
        _plateaus(records, key),
        filter_curves(
            f"{key}-filters",
            [Method.of(record) for record in first],
            {_name(record): record.metric("plateau") for record in first},
            of_marks="the measured plateau of the sharpness",
        ),
    ]


def _name(record: Record) -> str:
    return Method.of(record).name


def _setting(record: Record) -> str:
    c = record.configuration
    widths = "-".join(map(str, (c["side"] ** 2, *c["hidden"], 10)))
    return (
        f"Tanh network {widths}, ½ squared error to one-hot labels, all {c['images']} images in "
        f"every step, initial weights {c['gain']:g} times torch's default, float32. "
        f"Sharpness every {c['every']} steps by Lanczos."
    )


def _lines(records: Sequence[Record], *, of_edge: bool) -> tuple[Line, ...]:
    return tuple(
        Line(
            name=_name(record),
            color=_name(record),
            x=record.measured.series["step"],
            y=tuple(
                value / (record.metric("edge") if of_edge else 1)
                for value in record.measured.series["sharpness"]
            ),
        )
        for record in records
    )


def _sharpness(first: Sequence[Record], key: str) -> Figure:
    return Figure(
        key=f"{key}-sharpness",
        title="Sharpness during training, and the predicted edges",
        caption=f"{_setting(first[0])} Dashed: the edge that each filter predicts beforehand.",
        panels=(
            Panel(
                x=Axis(label="training step"),
                y=Axis(label="sharpness (largest Hessian eigenvalue)"),
                lines=_lines(first, of_edge=False),
                levels=tuple(
                    Level(
                        name=f"edge {record.metric('edge'):.4g}",
                        color=_name(record),
                        at=record.metric("edge"),
                    )
                    for record in first
                ),
            ),
        ),
    )


def _ratios(
    first: Sequence[Record], records: Sequence[Record], tolerance: float, key: str
) -> Figure:
    band = Span(
        name=f"within {tolerance:.0%}",
        color="ink",
        lower=1 - tolerance,
        upper=1 + tolerance,
        horizontal=True,
    )
    one = Level(name="edge", color="ink", at=1.0)
    plateaus = Dots(
        name="plateau / edge",
        colors=tuple(map(_name, records)),
        x=tuple(map(_name, records)),
        y=tuple(record.metric("ratio") for record in records),
        low=tuple(record.metric("plateau_low") / record.metric("edge") for record in records),
        high=tuple(record.metric("plateau_high") / record.metric("edge") for record in records),
    )
    return Figure(
        key=f"{key}-ratio",
        title="Sharpness in units of each optimizer's own edge",
        caption=(
            "Left: sharpness over predicted edge during training. Right: the plateau, a median "
            f"over the last {records[0].configuration['window']} steps; bars run from the 10th to "
            f"the 90th percentile of the probes. Shaded: within {tolerance:.0%} of the edge."
        ),
        panels=(
            Panel(
                x=Axis(label="training step"),
                y=Axis(label="sharpness / edge"),
                lines=_lines(first, of_edge=True),
                levels=(one,),
                spans=(band,),
            ),
            Panel(
                x=Axis(label=""),
                y=Axis(label="plateau / edge", limits=(0.9, 1.1)),
                dots=(plateaus,),
                levels=(one,),
                spans=(band,),
            ),
        ),
        columns=2,
    )


def _plateaus(records: Sequence[Record], key: str) -> Table:
    seeds = len({record.configuration["seed"] for record in records}) > 1
    return Table(
        key=f"{key}-plateaus",
        title="Predicted and measured edges",
        caption=(
            "Plateau: median of the probes [10th, 90th percentile]. Error: the largest "
            "estimated error of a probe in the window. ‖∇f‖: median in the window; where it is "
            "not small, training moves on along the edge and the filter holds only nearly. "
            "Gradients: full-batch gradient evaluations, a Hessian product counted as one."
        ),
        columns=(
            "optimizer",
            "options",
            "predicted edge",
            "measured plateau",
            "plateau / edge",
            "error",
            "‖∇f‖",
            "loss",
            "steps",
            "gradients",
        ),
        rows=tuple(_row(record, seeds=seeds) for record in records),
        colors=tuple(map(_name, records)),
        essential=("optimizer", "predicted edge", "measured plateau", "plateau / edge", "‖∇f‖"),
    )


def _row(record: Record, *, seeds: bool) -> tuple[str, ...]:
    m, method = record.metric, Method.of(record)
    low, high = number(m("plateau_low"), 4), number(m("plateau_high"), 4)
    return (
        f"{method.name} {record.configuration['seed']}" if seeds else method.name,
        method.options,
        number(m("edge"), 4),
        f"{number(m('plateau'), 4)} [{low}, {high}]",
        number(m("ratio"), 4),
        number(m("error"), 2),
        number(m("gradient_norm"), 2),
        number(m("loss"), 3),
        f"{m('steps'):,.0f}",
        f"{m('gradients'):,.0f}",
    )
