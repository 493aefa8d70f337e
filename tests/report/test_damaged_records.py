"""Reports from records that are missing, damaged, or never finished."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

from report_folder import measured, record

from passband.report import gather, page
from passband.studies import (
    FiltersAtWork,
    Measurement,
    Plan,
    SixEdges,
    Store,
)
from passband.studies.plan import RECORDS


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
