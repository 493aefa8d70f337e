"""A report on a terminal: verdicts and tables."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Column, Table as RichTable
from rich.text import Text

from passband.report.gather import Report, Section
from passband.studies.exhibits import Table

STYLES = {"ok": "bold green", "not met": "bold red", "not measured": "bold yellow"}


def show(report: Report, console: Console) -> None:
    """Print the tables and the claims of a report."""
    for section in report.sections:
        console.print()
        console.rule(f"[bold]{section.title}", align="left", style="dim")
        for exhibit in section.exhibits:
            if isinstance(exhibit, Table):
                console.print(_table(exhibit, console.width))
        console.print(_remarks(section))
    for problem in report.problems:
        console.print(Text(f"problem: {problem}", style="red"))


def _remarks(section: Section) -> RichTable:
    """Return claims with their verdicts, and what else a reader must know."""
    grid = RichTable.grid(Column(no_wrap=True), Column(), padding=(0, 2))
    for claim in section.claims:
        statement = Text.assemble(claim.statement, (f": {claim.evidence}", "dim"))
        grid.add_row(Text(claim.verdict, STYLES[claim.verdict]), statement)
    for note in section.notes:
        grid.add_row(Text("note", "bold yellow"), Text(note))
    if section.missing:
        grid.add_row(Text("missing", "bold yellow"), Text("; ".join(section.missing)))
    return grid


def _table(content: Table, width: int) -> RichTable:
    table = _rich(content, content.columns)
    if content.essential and _width(content) > width:
        table = _rich(content, content.essential)
    return table


def _width(content: Table) -> int:
    columns = zip(content.columns, *content.rows, strict=True)
    return sum(max(map(len, column)) + 2 for column in columns)


def _rich(content: Table, columns: Sequence[str]) -> RichTable:
    chosen = [content.columns.index(column) for column in columns]
    table = RichTable(
        *(Column(content.columns[i], justify="right" if i else "left") for i in chosen),
        title=content.title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for row in content.rows:
        table.add_row(*(row[i] for i in chosen))
    return table


def duration(seconds: float) -> str:
    """Write a duration for people.

    Example:
        >>> duration(75), duration(330)
        ('75 s', '6 min')
    """
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
