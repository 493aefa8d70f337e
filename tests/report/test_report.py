"""A report is made from saved records alone, says what is missing, and loads nothing."""

import io
import json
import math
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from rich.console import Console
from typing_extensions import override

from passband.report import gather, page, show, write_page
from passband.studies import (
    Eigenvalues,
    FiltersAtWork,
    Measurement,
    Plan,
    Record,
    Run,
    SixEdges,
    Store,
)
from passband.studies.exhibits import Figure
from passband.studies.filters_at_work import SmallBatchTraining
from passband.studies.plan import RECORDS
from passband.studies.six_edges import FullBatchTraining

FIGURES = {
    "six-edges-sharpness": 1,
    "six-edges-ratio": 2,
    "six-edges-filters": 6,
    "filters-at-work-eigenvalues": 2,
    "filters-at-work-ratio": 2,
    "filters-at-work-price": 2,
}
TABLES = {"six-edges-plateaus", "filters-at-work-table"}


def measured(run: Run) -> Measurement:
    """Numbers that a run could have measured, without measuring."""
    assert isinstance(run, FullBatchTraining | SmallBatchTraining)
    edge = run.method.filter().edge
    if isinstance(run, FullBatchTraining):
        curve = tuple(min(i / 10, 1.01) * edge for i in range(20))
        return Measurement(
            metrics={
                "edge": edge,
                "plateau": 1.01 * edge,
                "plateau_low": edge,
                "plateau_high": 1.02 * edge,
                "ratio": 1.01,
            },
            series={"step": tuple(40.0 * i for i in range(20)), "sharpness": curve},
        )
    sharpness = 0.1 * edge * (1 + 0.1 * run.seed)
    return Measurement(
        metrics={"edge": edge, "sharpness": sharpness, "ratio": 0.1, "test_accuracy": 0.9},
        spectra={
            "largest": Eigenvalues(
                values=(sharpness, sharpness / 2, sharpness / 3), errors=(1e-3,) * 3, matvecs=9
            )
        },
        series={"gradients": (0.0, 32.0), "test_accuracy": (0.1, 0.9)},
    )


def record(run: Run) -> Record:
    return Record(
        configuration=run.configuration(),
        environment={"torch": "2.13.0", "platform": "a <machine>"},
        measured=measured(run),
        seconds=60.0,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    studies = (SixEdges(), FiltersAtWork(seeds=2))
    Plan.of(studies, command="passband demo --seeds 2").save(tmp_path)
    for study in studies:
        for run in study.runs():
            Store(tmp_path / RECORDS).save(record(run))
    return tmp_path


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


def test_missing_and_damaged_records_are_named_and_the_rest_is_shown(folder: Path) -> None:
    first, second, *_ = SixEdges().runs()
    store = Store(folder / RECORDS)
    shutil.rmtree(store.path(first.configuration()))
    (store.path(second.configuration()) / "run.json").write_text('{"format"')

    report = gather(folder)

    assert report.sections[0].missing == (first.label, second.label)
    assert report.sections[0].runs == 4
    assert "cannot be used" in report.problems[0]
    assert first.label in page(report, redraw="x")


def test_a_record_that_its_study_cannot_read_is_named(folder: Path) -> None:
    run = SixEdges().runs()[0]
    Store(folder / RECORDS).save(replace(record(run), measured=Measurement()))

    report = gather(folder)

    assert report.sections[0].missing == (run.label,)
    assert "lacks what its study shows (KeyError: 'step')" in report.problems[0]


def test_a_folder_of_records_without_a_plan_is_enough(folder: Path) -> None:
    (folder / "plan.json").unlink()

    report = gather(folder)

    assert {section.name: section.runs for section in report.sections} == {
        "six-edges": 6,
        "filters-at-work": 16,
    }
    assert report.command == ""
    assert "Drawn by" in page(report, redraw="x")


def test_a_folder_where_nothing_is_finished_has_a_report(tmp_path: Path) -> None:
    Plan.of((SixEdges(), FiltersAtWork()), command="passband demo").save(tmp_path)

    report = gather(tmp_path)

    assert len(report.sections[0].missing) == 6
    assert report.verdicts["ok"] == 0
    assert "6 of 6 runs have no record" in page(report, redraw="x")


def test_numbers_that_do_not_exist_are_gaps(folder: Path) -> None:
    for run in FiltersAtWork(seeds=2).runs()[:2]:
        Store(folder / RECORDS).save(
            replace(
                record(run),
                measured=Measurement(
                    metrics={"edge": math.inf, "ratio": math.nan},
                    series=measured(run).series,
                    notes=("The training diverged in epoch 3.",),
                ),
            )
        )

    report = gather(folder)

    assert "diverged in epoch 3" in page(report, redraw="x")
    assert report.verdicts["not measured"] > 0


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
