"""A report is made from saved records alone, says what is missing, and loads nothing."""

import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from report_folder import measured, record
from rich.console import Console
from typing_extensions import override

from passband.report import gather, page, show, write_page
from passband.studies import (
    SixEdges,
    Store,
)
from passband.studies.exhibits import Figure
from passband.studies.plan import RECORDS

FIGURES = {
    "six-edges-sharpness": 1,
    "six-edges-ratio": 2,
    "six-edges-filters": 6,
    "filters-at-work-eigenvalues": 2,
    "filters-at-work-ratio": 2,
    "filters-at-work-price": 2,
}


TABLES = {"six-edges-plateaus", "filters-at-work-table"}


class Parsed(HTMLParser):
    """What a browser would load, and what it would show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.drawings: list[str] = []
        self.ids: set[str] = set()
        self.rows = 0
        self.unfolded: list[list[list[str]]] = []
        self._json = ""
        self.feed(text)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {found["id"] or ""} if "id" in found else set()
        self.rows += tag == "tr"
        is_json = tag == "script" and found.get("type") == "application/json"
        self._json = (found.get("class") or "drawing") if is_json else ""
        if tag in {"link", "img", "iframe", "object", "embed", "video", "audio", "source", "base"}:
            self.loads.append(tag)
        self.loads += [found["src"] or ""] if "src" in found else []

    @override
    def handle_data(self, data: str) -> None:
        if self._json == "rows":
            packed = json.loads(data)
            cells = [packed["texts"][i] for i in packed["cells"]]
            width = len(packed["columns"])
            rows = [cells[i : i + width] for i in range(0, len(cells), width)]
            self.unfolded.append([packed["columns"], *rows])
        elif self._json:
            self.drawings.append(data)
        self._json = ""


@pytest.fixture
def parsed(folder: Path) -> Parsed:
    return Parsed(page(gather(folder), redraw="passband report x"))


def test_every_figure_and_table_is_there(parsed: Parsed) -> None:
    assert FIGURES.keys() <= parsed.ids
    assert parsed.ids >= TABLES
    assert len(parsed.drawings) == sum(FIGURES.values())


def test_every_drawing_is_one_that_plotly_accepts(parsed: Parsed) -> None:
    def without_variables(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: without_variables(v) for k, v in value.items()}
        if isinstance(value, list):
            return [without_variables(v) for v in value]
        return "#123456" if isinstance(value, str) and value.startswith("--") else value

    for text in parsed.drawings:
        drawing = without_variables(json.loads(text))
        assert go.Figure(drawing).to_dict()["data"]


def test_nothing_is_loaded_from_anywhere(folder: Path) -> None:
    text = page(gather(folder), redraw="x")
    own = text.replace(plotly_source(), "")

    assert Parsed(text).loads == []
    assert not re.search(r"@import|url\(|https?://", own)
    assert "default-src 'none'" in own
    assert len(text) < 8_000_000


def plotly_source() -> str:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def test_every_figure_has_its_numbers_and_its_command(folder: Path) -> None:
    report = gather(folder)
    text = page(report, redraw="passband report x").replace(plotly_source(), "")

    assert text.count("passband demo --seeds 2") == 1 + len(FIGURES) + len(TABLES)
    exhibits = [exhibit for section in report.sections for exhibit in section.exhibits]
    parsed = Parsed(text)
    assert parsed.rows == sum(1 + len(e.rows) for e in exhibits if not isinstance(e, Figure))
    drawn = [e.table() for e in exhibits if isinstance(e, Figure)]
    expected = [[list(row) for row in (table.columns, *table.rows)] for table in drawn]
    assert parsed.unfolded == expected


def test_one_color_for_one_optimizer(parsed: Parsed) -> None:
    colors: dict[str, set[str]] = {}
    for drawing in map(json.loads, parsed.drawings):
        for trace in drawing["data"]:
            if trace["mode"] == "lines":
                colors.setdefault(trace["name"], set()).add(trace["line"]["color"])
            else:
                for name, color in zip(trace["x"], trace["marker"]["color"], strict=True):
                    colors.setdefault(name, set()).add(color)

    assert all(len(found) == 1 for found in colors.values())
    assert len(set.union(*colors.values())) == len(colors)


def test_text_of_records_cannot_become_markup(folder: Path) -> None:
    run = SixEdges().runs()[0]
    evil = "</script><script>alert(1)</script>"
    configuration = run.configuration()
    configuration["method"]["name"] = configuration["label"] = evil
    damaged = replace(
        record(run),
        configuration=configuration,
        measured=replace(measured(run), notes=(evil,)),
    )
    Store(folder / RECORDS).save(damaged)
    (folder / "plan.json").unlink()

    text = page(gather(folder), redraw="x")

    assert evil not in text
    assert "a <machine>" not in text


def test_claims_come_from_the_records(folder: Path) -> None:
    run = SixEdges().runs()[0]
    off = replace(measured(run), metrics={**measured(run).metrics, "ratio": 1.2})
    Store(folder / RECORDS).save(replace(record(run), measured=off))

    before, after = 6 + 8, gather(folder).verdicts

    assert after["not met"] >= 1
    assert sum(after.values()) == before


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_terminal_shows_verdicts_and_tables(folder: Path, width: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())

    show(gather(folder), console)

    text = console.export_text()
    assert "plateau within 3%" in " ".join(text.split())
    assert "Two-step USAM" in text
    assert max(map(len, text.splitlines())) <= width


def test_the_page_is_written_whole(folder: Path) -> None:
    write_page(gather(folder), folder / "deep" / "report.html", redraw="x")

    text = (folder / "deep" / "report.html").read_text(encoding="utf-8")
    assert text.rstrip().endswith("</html>")


def test_a_report_needs_no_torch(folder: Path) -> None:
    code = (
        "import sys, pathlib, passband.report as r\n"
        f"r.page(r.gather(pathlib.Path({str(folder)!r})), redraw='x')\n"
        "sys.exit('torch' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
