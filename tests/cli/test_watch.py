"""`passband watch` shows what a monitor wrote."""

import json
import os
from pathlib import Path

import pytest

from passband.cli import main
from passband.cli.watch import sparkline


def test_shows_ratio_probes_and_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.jsonl"
    lines = [{"step": i, "sharpness": float(i), "edge": 20.0, "ratio": i / 20} for i in range(30)]
    event = {"step": 20, "kind": "edge", "message": "entered the edge of stability"}
    path.write_text("\n".join(map(json.dumps, [*lines, event])) + "\n")

    assert main(["watch", str(path)]) == 0

    shown = capsys.readouterr().out
    assert "entered the edge" in shown
    assert "1.450" in shown
    assert "▁" in shown


def test_a_missing_file_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "nowhere.jsonl"]) == 2
    assert "no record" in capsys.readouterr().err


def test_without_a_path_the_newest_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["watch"]) == 2
    assert "no record 'runs/monitor'" in capsys.readouterr().err

    folder = tmp_path / "runs" / "monitor"
    folder.mkdir(parents=True)
    for age, ratio in ((100, 0.25), (0, 0.75)):
        file = folder / f"{age}.jsonl"
        file.write_text(json.dumps({"step": 1, "ratio": ratio}) + "\n")
        os.utime(file, (1e9 - age, 1e9 - age))

    assert main(["watch"]) == 0
    assert "0.750" in capsys.readouterr().out


def test_following_ends_with_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, waits = tmp_path / "m.jsonl", list[float]()
    path.write_text("")

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        path.write_text(json.dumps({"step": 1, "ratio": 0.75}) + "\n")
        if len(waits) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)

    assert main(["watch", str(path), "--follow"]) == 0
    assert waits[0] > 0
    assert "0.750" in capsys.readouterr().out


def test_a_sparkline_keeps_the_last_value() -> None:
    assert len(sparkline([1.0] * 1000)) <= 60
    assert sparkline([0.0] * 99 + [1.25])[-1] == "█"
    assert sparkline([float("nan"), 1.25]) == " █"
