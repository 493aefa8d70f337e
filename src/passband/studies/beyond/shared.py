"""What the small studies have in common: seconds of work, a table, a claim for each number."""

from collections.abc import Callable, Sequence

from typing_extensions import override

from passband.studies.exhibits import Table, number
from passband.studies.record import Record
from passband.studies.study import Run


class SmallRun(Run):
    """A run that takes seconds."""

    @property
    @override
    def cost(self) -> float:
        return 2.0


def table(
    records: Sequence[Record],
    *,
    key: str,
    title: str,
    caption: str,
    metrics: Sequence[tuple[str, str]],
    color: Callable[[Record], str] | None = None,
) -> Table:
    """Return one row a record, one column a metric.

    Args:
        records: At least one.
        key: Short name.
        title: What it shows.
        caption: How it was made.
        metrics: Headings, each with the metric below it.
        color: The name of what a record belongs to; its label if None.
    """
    labels = [str(record.configuration["label"]) for record in records]
    return Table(
        key=key,
        title=title,
        caption=caption,
        columns=("run", *(heading for heading, _ in metrics)),
        rows=tuple(
            (label, *(number(record.metric(name), 4) for _, name in metrics))
            for label, record in zip(labels, records, strict=True)
        ),
        colors=tuple(color(record) for record in records) if color else (),
    )
