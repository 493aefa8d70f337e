"""The demonstration from the command line: whole, interrupted, continued, and with faults."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from passband.cli import demo, report_command
from passband.errors import MissingExtraError
from passband.studies import SixEdges, Study
from passband.studies.six_edges import FullBatchTraining

TINY = SixEdges(
    training=FullBatchTraining(
        images=30, side=4, hidden=(5,), every=10, patience=20, window=20, limit=40
    )
)
FAILING = SixEdges(training=replace(TINY.training, images=6000))


def offer(monkeypatch: pytest.MonkeyPatch, *studies: Study) -> None:
    def chosen(*, quick: bool, seeds: int | None) -> tuple[Study, ...]:
        assert not quick
        assert seeds is None
        return studies

    monkeypatch.setattr(demo, "demo_studies", chosen)


def run(out: Path, *options: str) -> int:
    return demo.main(["--out", str(out), "--jobs", "1", *options])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a demonstration leaves behind; not to be changed."""
    out = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        offer(patch, TINY)
        assert run(out) == 0
    return out


def stamps(out: Path) -> dict[str, int]:
    found = (out / "records").glob("[!.]*/run.json")  # temporary folders begin with a dot
    return {path.parent.name: path.stat().st_mtime_ns for path in found}


def test_records_and_a_page_are_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, TINY)

    status = run(tmp_path)

    shown = capsys.readouterr().out
    assert status == 0
    assert len(stamps(tmp_path)) == 6
    assert "six-edges-ratio" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "6 runs: 0 kept from before, 6 to do" in shown
    assert "Two-step USAM" in shown
    assert "\x1b" not in shown  # no bar and no colors where nobody looks


def test_what_is_finished_is_kept_unless_forced(
    tmp_path: Path,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    offer(monkeypatch, TINY)
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    first = stamps(tmp_path)
    lost = next(iter(first))

    (tmp_path / "records" / lost / "run.json").write_text("{}")
    capsys.readouterr()
    run(tmp_path)

    shown = " ".join(capsys.readouterr().out.split())
    again = stamps(tmp_path)
    assert "5 kept from before, 1 to do" in shown
    assert "cannot be used" in shown
    assert [path.name for path in (tmp_path / "records" / "damaged").iterdir()] == [f"{lost}.1"]
    assert {name for name in first if again[name] != first[name]} == {lost}
    run(tmp_path, "--force")
    assert all(stamps(tmp_path)[name] != again[name] for name in first)


def test_failed_runs_are_told_and_the_status_is_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(monkeypatch, TINY, FAILING)

    status = run(tmp_path)

    shown = " ".join(capsys.readouterr().out.split())
    assert status == 1
    assert "failed: heavy ball, seed 0: ValueError: `train` and `test` must be counts" in shown
    assert "6 runs failed" in shown
    assert "Traceback" in (tmp_path / "errors.txt").read_text(encoding="utf-8")
    assert len(stamps(tmp_path)) == 6


def test_the_report_is_drawn_again_from_the_folder(
    tmp_path: Path,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    offer(monkeypatch, TINY)
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    (tmp_path / "report.html").unlink()
    before = stamps(tmp_path)

    status = report_command.main([str(tmp_path)])
    elsewhere = report_command.main([str(tmp_path), "--out", str(tmp_path / "x.html")])

    assert (status, elsewhere) == (0, 0)
    assert (tmp_path / "report.html").read_bytes() == (tmp_path / "x.html").read_bytes()
    assert stamps(tmp_path) == before
    assert "Report:" in capsys.readouterr().out


def test_a_report_of_missing_runs_says_so_in_its_status(
    tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, TINY)
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "records" / next(iter(stamps(tmp_path))))

    assert report_command.main([str(tmp_path)]) == 1


@pytest.mark.parametrize(
    "module", ["mlxtend", "joblib", "polars", "safetensors", "plotly", "jinja2"]
)
def test_a_missing_package_is_named_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    def find(name: str) -> object:
        return None if name == module else object()

    monkeypatch.setattr("importlib.util.find_spec", find)

    with pytest.raises(MissingExtraError, match=rf"`{module}`.*pip install 'passband\[demo\]'"):
        run(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_found_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OSError, match="file"):
        run(tmp_path / "file" / "out")


@pytest.mark.parametrize(("option", "value"), [("--jobs", "0"), ("--seeds", "0")])
def test_impossible_numbers_are_refused(tmp_path: Path, option: str, value: str) -> None:
    with pytest.raises(ValueError, match="must be 1 or more; got 0"):
        demo.main(["--out", str(tmp_path), option, value])


@pytest.mark.slow
def test_quick_interrupted_and_continued(tmp_path: Path) -> None:
    code = """
import signal, sys
from dataclasses import replace
from passband.cli import demo, main

signal.signal(signal.SIGINT, signal.default_int_handler)  # also in the background
six, filters = demo.demo_studies(quick=True)
small = {"images": 30, "side": 4, "hidden": (5,), "patience": 80, "window": 40, "limit": 120}
fewer = replace(six.training, **small)
shorter = replace(filters.training, train=60, test=20, side=4, hidden=(6,), epochs=1)
smaller = replace(six, training=fewer), replace(filters, training=shorter)
demo.demo_studies = lambda **_: smaller
sys.exit(main(sys.argv[1:]))
"""
    options = ["demo", "--quick", "--jobs", "1", "--out", str(tmp_path)]
    command = [sys.executable, "-c", code, *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    while first.poll() is None and len(stamps(tmp_path)) < 2:
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    shown, _ = first.communicate(timeout=60)
    kept = stamps(tmp_path)
    second = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    assert first.returncode == 130
    assert f"{len(kept)} of 22 runs are kept" in shown
    assert "passband demo --quick" in shown
    assert 2 <= len(kept) < 22
    assert second.returncode == 0, second.stderr
    assert second.stderr == ""
    assert f"{len(kept)} kept from before" in second.stdout
    assert len(stamps(tmp_path)) == 22
    assert {name: stamps(tmp_path)[name] for name in kept} == kept
    assert {path.name for path in (tmp_path / "records").iterdir()} == set(stamps(tmp_path))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'id="six-edges-sharpness"' in page
    assert 'id="filters-at-work-eigenvalues"' in page
