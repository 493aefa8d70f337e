"""What `passband.studies.transients.bounds` shows."""

import math
from collections.abc import Sequence

from passband.studies.exhibits import Axis, Exhibit, Figure, Line, Panel, Table, number
from passband.studies.record import Record

_CONSTANTS = {
    "published": "published bound",
    "exact": "exact block constant",
    "extremal lower": "minimax game",
    "random lower": "random game",
}
_STEPS = {
    "simple steps": "2/(1−γ) ln((1+8K)/ε)",
    "exact steps": "exact, from the blocks",
    "extremal steps": "minimax game",
    "random steps": "random game",
}


def bounds_exhibits(records: Sequence[Record]) -> list[Exhibit]:
    """Return constants and steps over the coupling, and a table of what bounds are worth."""
    kept = [record for record in records if record.measured.series]
    if not kept:
        return []
    return [
        Figure(
            key="coupling-bounds-kreiss",
            title="Kreiss constant against coupling, with both bounds",
            caption=(
                "Lower ends of measured brackets; the upper ends lie within 1e-6 of them. The "
                "published bound starts at 2/(1−γ), whatever the coupling; the exact constant is "
                "attained by the minimax game and the same for every γ."
            ),
            panels=tuple(_panel(record, _CONSTANTS, "Kreiss constant") for record in kept),
            columns=3,
        ),
        Figure(
            key="coupling-bounds-steps",
            title="Steps to a thousandth against the Kreiss constant",
            caption="Steps after which every power of the Jacobian is below 1e-3 for good.",
            panels=tuple(_panel(record, _STEPS, "steps to 1e-3", over="exact") for record in kept),
            columns=3,
        ),
        _table(kept),
    ]


def _panel(record: Record, names: dict[str, str], label: str, *, over: str = "coupling") -> Panel:
    series = record.measured.series
    across = "c / (1−γ)" if over == "coupling" else "exact block constant"
    return Panel(
        title=str(record.configuration["label"]),
        x=Axis(label=across, log=True),
        y=Axis(label=label, log=True),
        lines=tuple(
            Line(name=text, color=text, x=series[over], y=series[name])
            for name, text in names.items()
        ),
    )


def _table(records: Sequence[Record]) -> Table:
    rows: list[tuple[str, ...]] = []
    for record in records:
        series = record.measured.series
        for i, u in enumerate(series["coupling"]):
            if u not in (1.0, 10.0, 100.0, 1000.0):
                continue
            certified = series["extremal certificate"][i]
            rows.append(
                (
                    str(record.configuration["label"]),
                    number(u),
                    number(series["published"][i]),
                    number(series["exact"][i]),
                    f"[{series['random lower'][i]:.5g}, {series['random upper'][i]:.5g}]",
                    number(series["random peak"][i]),
                    number(series["extremal peak"][i]),
                    number(certified) if math.isfinite(certified) else "—",
                )
            )
    return Table(
        key="coupling-bounds-table",
        title="Bounds and truth",
        caption=(
            "Certificate: the least √κ with I ⪯ P ⪯ κI and JᵀPJ ⪯ P, of the minimax game; only "
            "small games are solved."
        ),
        columns=(
            "games",
            "c/(1−γ)",
            "published",
            "exact K",
            "K of a random game",
            "its peak",
            "minimax peak",
            "certificate",
        ),
        rows=tuple(rows),
        essential=("games", "c/(1−γ)", "published", "exact K", "K of a random game"),
    )
