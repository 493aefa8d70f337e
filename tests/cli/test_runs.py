"""`passband runs` lists, chooses, compares, exports and cleans up; nothing is measured."""

import json
from pathlib import Path

import polars as pl
import pytest

from passband.cli import main
from passband.studies import FiltersAtWork, Measurement, Record, Run, Store
from passband.studies.filters_at_work import SmallBatchTraining

RUNS: list[Run] = list(FiltersAtWork(seeds=2).runs())


def record(run: Run, i: int) -> Record:
    return Record(
        configuration=run.configuration(),
        environment={},
        measured=Measurement(
            metrics={"sharpness": float(i), "edge": 10.0, "lost": float("nan")},
            series={"epoch": (0.0, 1.0)},
        ),
        seconds=2.0,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Fourteen finished runs, one that failed, one that was interrupted."""
    store = Store(tmp_path / "records")
    for i, run in enumerate(RUNS[:-2]):
        store.save(record(run, i))
    failed, interrupted = (store.unfinished(run.configuration()) for run in RUNS[-2:])
    failed.begin(RUNS[-2].configuration(), {})
    failed.fail("ArithmeticError: it broke", attempts=1)
    interrupted.begin(RUNS[-1].configuration(), {})
    begun = interrupted.folder / "begun.json"
    begun.write_text(begun.read_text().replace('"process": ', '"process": 99999999'))
    return tmp_path


def ask(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setenv("COLUMNS", "160")
    status = main(["runs", *map(str, arguments)])
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def test_every_run_is_listed_with_its_status(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, shown, _ = ask(capsys, monkeypatch, folder)

    assert status == 1  # one failed
    assert "16 runs: 14 finished, 1 interrupted, 1 failed; 28 s of one core" in shown
    assert "ArithmeticError: it broke" in shown
    assert "USAM, momentum 0.9, seed 1" in shown


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        (["momentum=0.9"], 8),
        (["method.momentum=0.9", "seed=1"], 4),
        (["sharpness<3"], 3),
        (["sharpness>=3"], 11),
        (["method.name!=SGD"], 12),
        (["name=two-step usam"], 4),
        (["status=failed"], 1),
        (["hidden=[128, 64, 10]"], 16),
        (["lost<1"], 0),
    ],
    ids=str,
)
def test_conditions_choose(
    folder: Path,
    conditions: list[str],
    count: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, shown, _ = ask(capsys, monkeypatch, folder, "--where", *conditions)

    assert f"{count} runs: " in shown


def test_two_runs_are_compared(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["usam-momentum-0-seed-0", "USAM, momentum 0, seed 1"]

    status, shown, _ = ask(capsys, monkeypatch, folder, "--compare", *names)

    lines = [line.split() for line in shown.splitlines()]
    assert status == 1
    assert ["seed", "0", "1"] in lines
    assert ["sharpness", "2", "3"] in lines
    assert not any(line[:1] == ["edge"] for line in lines)


def test_settings_and_metrics_go_into_tables(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {kind: folder / f"runs.{kind}" for kind in ("csv", "parquet", "json")}

    ask(capsys, monkeypatch, folder, *(x for kind, p in paths.items() for x in (f"--{kind}", p)))

    tables = [
        pl.read_csv(paths["csv"], infer_schema_length=None),
        pl.read_parquet(paths["parquet"]),
        pl.DataFrame(json.loads(paths["json"].read_text()), infer_schema_length=None),
    ]
    for table in tables:
        assert table.height == 16
        assert table.filter(pl.col("status") == "finished")["metric.sharpness"].sum() == 91
        assert set(table["method.momentum"]) == {0.0, 0.9}
        assert table["seed"].sum() == 8


def test_damaged_runs_are_told_and_pruned(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(folder / "records", repair=True)
    path = store.path(RUNS[0].configuration())
    (path / "metrics.parquet").write_bytes(b"")

    status, shown, _ = ask(capsys, monkeypatch, folder)
    store.load(RUNS[0].configuration())
    _, pruned, _ = ask(capsys, monkeypatch, folder, "--prune")

    assert status == 1
    assert "metrics.parquet is not what was written" in shown
    assert f"removed {folder / 'records' / 'damaged'}" in pruned
    assert "15 runs" in pruned


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--where", "momentm=0.9"], "did you mean 'momentum'"),
        (["--where", "momentum"], 'a condition is written "name=value"'),
        (["--study", "filters-at-wrk"], "did you mean 'filters-at-work'"),
        (["--metrics", "sharpnes"], "did you mean 'sharpness'"),
        (["--compare", "usam"], "needs two runs; got 1"),
        (["--compare", "momentum-0-seed-0", "x"], "runs have 'momentum-0-seed-0'"),
        (["--csv", "runs.txt"], "must end in .csv"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_questions_get_a_sentence(
    folder: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    status, _, told = ask(capsys, monkeypatch, folder, *arguments)

    assert status == 2
    assert message in told


def test_a_folder_of_folders_is_read_and_an_empty_one_refused(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = SmallBatchTraining()
    Store(tmp_path / "above" / "demo" / "records").save(record(run, 1))

    status, shown, _ = ask(capsys, monkeypatch, tmp_path / "above")
    refused, _, told = ask(capsys, monkeypatch, tmp_path / "none")

    assert (status, refused) == (0, 2)
    assert "1 runs: 1 finished" in shown
    assert "is no folder" in told
    assert folder.exists()
