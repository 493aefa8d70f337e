"""What a study shows: tables and figures as plain data, without a plotting library."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, final

Symbol = Literal["dot", "ring", "small", "edge"]


@final
@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis.

    Attributes:
        label: What is on it, with its unit.
        log: Logarithmic scale.
        limits: First and last value shown; chosen by the data if None.
    """

    label: str
    log: bool = False
    limits: tuple[float, float] | None = None


@final
@dataclass(frozen=True, kw_only=True)
class Line:
    """A curve through points; ``color`` is the name of what it belongs to."""

    name: str
    color: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@final
@dataclass(frozen=True, kw_only=True)
class Dots:
    """Separate points, each with its own color and error bar.

    Attributes:
        name: What the points are.
        colors: For each point, the name of what it belongs to.
        x: Categories.
        y: Values.
        low: Lower ends of the error bars; equal to ``y`` for none.
        high: Upper ends.
        symbol: ``"edge"`` is a horizontal stroke.
    """

    name: str
    colors: tuple[str, ...]
    x: tuple[str, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    symbol: Symbol = "dot"


@final
@dataclass(frozen=True, kw_only=True)
class Points:
    """Separate points in a plane; ``color`` is the name of what they belong to."""

    name: str
    color: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    symbol: Symbol = "small"


@final
@dataclass(frozen=True, kw_only=True)
class Contours:
    """Lines of equal value over a plane, each labeled with it.

    Attributes:
        name: What the value is, with its unit.
        color: The name of what it belongs to.
        x: Columns of the grid.
        y: Rows of the grid.
        values: Row after row, ``len(y)`` rows of ``len(x)``.
        first: Lowest line.
        last: Highest line.
        apart: From one line to the next.
    """

    name: str
    color: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    values: tuple[float, ...]
    first: float
    last: float
    apart: float


@final
@dataclass(frozen=True, kw_only=True)
class Level:
    """A thin straight line across the panel, at a height or (``vertical``) at a position."""

    name: str
    color: str
    at: float
    vertical: bool = False


@final
@dataclass(frozen=True, kw_only=True)
class Span:
    """A shaded interval of the x axis, or (``horizontal``) of the y axis."""

    name: str
    color: str
    lower: float
    upper: float
    horizontal: bool = False


@final
@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes and what is drawn on it; on ``plane``, a unit is as long on both."""

    x: Axis
    y: Axis
    title: str = ""
    lines: tuple[Line, ...] = ()
    dots: tuple[Dots, ...] = ()
    points: tuple[Points, ...] = ()
    contours: tuple[Contours, ...] = ()
    plane: bool = False
    levels: tuple[Level, ...] = ()
    spans: tuple[Span, ...] = ()


@final
@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text under a heading.

    Attributes:
        key: Short name, unique in a report.
        title: What it shows, as a sentence.
        caption: How it was made, and what its error bars are.
        columns: Headings.
        rows: Cells, as many as headings.
        colors: For each row, the name of what it belongs to, or none at all.
        essential: Headings that a narrow terminal shows; all if empty.
    """

    key: str
    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    colors: tuple[str, ...] = ()
    essential: tuple[str, ...] = ()


@final
@dataclass(frozen=True, kw_only=True)
class Figure:
    """One or several panels under a heading.

    Attributes:
        key: Short name, unique in a report.
        title: What it shows, as a sentence.
        caption: How it was made, and what its error bars are.
        panels: In reading order.
        columns: Panels beside each other.
    """

    key: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    columns: int = 1

    def table(self) -> Table:
        """Return every number that is drawn, as one table."""
        return Table(
            key=f"{self.key}-data",
            title=self.title,
            caption="",
            columns=("panel", "name", "of", "x", "y", "low", "high"),
            rows=tuple(row for panel in self.panels for row in _rows(panel)),
        )


Exhibit = Table | Figure


def _rows(panel: Panel) -> Iterator[tuple[str, ...]]:
    for line in panel.lines:
        for x, y in zip(line.x, line.y, strict=True):
            yield panel.title, line.name, line.color, number(x), number(y), "", ""
    for dots in panel.dots:
        ends = zip(dots.colors, dots.x, dots.y, dots.low, dots.high, strict=True)
        for of, x, *ys in ends:
            yield panel.title, dots.name, of, x, *map(number, ys)
    for points in panel.points:
        for x, y in zip(points.x, points.y, strict=True):
            yield panel.title, points.name, points.color, number(x), number(y), "", ""
    for part in panel.contours:
        places = [(x, y) for y in part.y for x in part.x]
        for (x, y), value in zip(places, part.values, strict=True):
            yield panel.title, part.name, number(value), number(x), number(y), "", ""
    for level in panel.levels:
        at = number(level.at)
        place = (at, "") if level.vertical else ("", at)
        yield panel.title, level.name, level.color, *place, "", ""
    for span in panel.spans:
        of = "y" if span.horizontal else "x"
        yield (
            panel.title,
            f"{span.name} ({of})",
            span.color,
            "",
            "",
            *map(number, (span.lower, span.upper)),
        )


def number(value: float, digits: int = 5) -> str:
    """Write a number as tables do: significant digits, a dash for what does not exist.

    Example:
        >>> number(0.1234567), number(float("nan"))
        ('0.12346', '—')
    """
    return f"{value:.{digits}g}" if math.isfinite(value) else "—"
