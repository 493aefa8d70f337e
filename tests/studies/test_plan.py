"""A folder says by itself what it was meant to hold."""

from pathlib import Path

import pytest

from passband.studies import FiltersAtWork, Measurement, Plan, Record, SixEdges, Store
from passband.studies.plan import FILE, RECORDS


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    plan = Plan.of([SixEdges(), FiltersAtWork(seeds=2)], command="passband demo")

    plan.save(tmp_path)

    assert Plan.load(tmp_path) == plan
    assert [(part.study, len(part.runs)) for part in plan.parts] == [
        ("six-edges", 6),
        ("filters-at-work", 16),
    ]


def test_more_seeds_keep_the_runs_of_the_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    few, many = (
        {store.path(run.configuration()) for run in FiltersAtWork(seeds=n).runs()} for n in (2, 3)
    )

    assert few < many


def test_another_radius_touches_only_its_own_runs(tmp_path: Path) -> None:
    store = Store(tmp_path)
    before, after = (
        {store.path(run.configuration()) for run in FiltersAtWork(rho_usam=r).runs()}
        for r in (0.1, 0.2)
    )

    assert len(before & after) == 18
    assert len(before - after) == 6


def test_without_a_plan_the_records_are_one(tmp_path: Path) -> None:
    run = SixEdges().runs()[0]
    record = Record(
        configuration=run.configuration(), environment={}, measured=Measurement(), seconds=0.0
    )
    Store(tmp_path / RECORDS).save(record)

    plan = Plan.load(tmp_path)

    assert plan.parts[0].runs == (record.configuration,)
    assert plan.command == ""


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no records"):
        Plan.load(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"command": "x"}', '{"command": 1, "parts": 2}'])
def test_a_damaged_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)

    with pytest.raises(ValueError, match="is damaged"):
        Plan.load(tmp_path)
