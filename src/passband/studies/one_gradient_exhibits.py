"""What `passband.studies.one_gradient` shows beside the exhibits of the studies it builds on."""

from collections.abc import Sequence

from passband.studies.exhibits import Axis, Figure, Level, Line, Panel
from passband.studies.methods import Method
from passband.studies.record import Record


def against_gradients(records: Sequence[Record]) -> Figure:
    """Return sharpness and loss over the gradients spent, for the first seed."""
    seed = records[0].configuration["seed"]
    first = [record for record in records if record.configuration["seed"] == seed]
    edge = first[0].metric("edge")
    return Figure(
        key="same-edge-gradients",
        title="Sharpness and loss for the gradients they cost",
        caption=(
            "Full-batch training; all five have the same edge. SGD with the larger learning rate "
            "moves flat directions faster too, so its loss falls faster: compare it on that."
        ),
        panels=(
            Panel(
                x=Axis(label="gradients spent"),
                y=Axis(label="sharpness (largest Hessian eigenvalue)"),
                lines=_lines(first, "sharpness"),
                levels=(Level(name=f"edge {edge:.4g}", color="ink", at=edge),),
            ),
            Panel(
                x=Axis(label="gradients spent"),
                y=Axis(label="training loss", log=True),
                lines=_lines(first, "loss"),
            ),
        ),
        columns=2,
    )


def _lines(records: Sequence[Record], of: str) -> tuple[Line, ...]:
    return tuple(
        Line(
            name=Method.of(record).name,
            color=Method.of(record).name,
            x=tuple(
                step * record.metric("gradients_per_step")
                for step in record.measured.series.get("step", ())
            ),
            y=record.measured.series.get(of, ()),
        )
        for record in records
    )
