"""One HTML page that opens anywhere, offline: figures, tables, verdicts, and how to redo them."""

import json
import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from passband.errors import require
from passband.report.draw import draw
from passband.report.gather import Report
from passband.report.palette import Palette
from passband.report.terminal import duration
from passband.studies.atomic import write
from passband.studies.exhibits import Dots, Exhibit, Figure, Table

TEMPLATES = Path(__file__).parent / "templates"


def write_page(report: Report, path: Path, *, redraw: str) -> None:
    """Write the page into a file, atomically; about 5 MB, nearly all of it plotly.js.

    Args:
        report: What to say.
        path: The file.
        redraw: The command that makes the page again from the records.

    Raises:
        MissingExtraError: ``jinja2`` or ``plotly`` is not installed.
        OSError: The file cannot be written.
    """
    write(path, page(report, redraw=redraw))


def page(report: Report, *, redraw: str) -> str:
    """Return the page as text. It loads nothing from anywhere, and its policy forbids it to."""
    require("jinja2", extra="report")
    require("plotly", extra="report")
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    palette = Palette()
    sections = [
        {"study": section, "exhibits": [_shown(e, palette) for e in section.exhibits]}
        for section in report.sections
    ]
    return environment.get_template("report.html.j2").render(
        report=report,
        sections=sections,
        redraw=redraw,
        palette=palette,
        plotly=_plotly(),
        numeric=_numeric,
        packed=_packed,
        duration=duration,
    )


def _shown(exhibit: Exhibit, palette: Palette) -> dict[str, Any]:
    """Return what the template needs to show an exhibit."""
    if isinstance(exhibit, Table):
        swatches = [palette.variable(color) for color in exhibit.colors]
        return {"kind": "table", "exhibit": exhibit, "swatches": swatches}
    return {
        "kind": "figure",
        "exhibit": exhibit,
        "legend": [(name, palette.variable(name)) for name in _colors(exhibit)],
        "symbols": list(dict.fromkeys((d.name, d.symbol) for d in _dots(exhibit))),
        "panels": [(panel.title, _script(draw(panel, palette))) for panel in exhibit.panels],
        "data": exhibit.table(),
    }


def _colors(figure: Figure) -> list[str]:
    """Return the names that need a legend; separate points are named by the axis."""
    names = (
        drawn.color
        for panel in figure.panels
        for drawn in (*panel.lines, *panel.contours, *panel.points)
    )
    return list(dict.fromkeys(names))


def _dots(figure: Figure) -> Iterator[Dots]:
    return (dots for panel in figure.panels if len(panel.dots) > 1 for dots in panel.dots)


def _packed(table: Table) -> Any:
    """Return a table as JSON in which every text stands once; a script unfolds it when asked."""
    from markupsafe import Markup

    texts = dict.fromkeys(cell for row in table.rows for cell in row)
    number = {text: i for i, text in enumerate(texts)}
    cells = [number[cell] for row in table.rows for cell in row]
    return Markup(_script({"columns": table.columns, "texts": list(texts), "cells": cells}))


def _script(content: Any) -> str:
    """Return JSON that can stand inside a script element; what is not finite is not drawn."""
    finite = _finite(content)
    text = json.dumps(finite, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(part) for key, part in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(part) for part in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _numeric(cell: str) -> bool:
    """Return whether a cell is set flush right."""
    return bool(re.match(r"^[-−]?[\d.]|^—$", cell)) and not re.search(r"[a-z]{3,}", cell)


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()
