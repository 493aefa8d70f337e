"""`passband watch` shows what a monitor wrote."""

import json
import os
from pathlib import Path

import pytest

from passband.cli import main
from passband.cli.watch import _silence, sparkline


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


def test_a_folder_without_records_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", str(tmp_path)]) == 2
    assert "holds no record of a `Monitor`, NAME.jsonl" in capsys.readouterr().err


def test_a_file_without_records_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content in ("import torch\n", '{"lr": 0.1}\n', "[1, 2]\n"):
        (tmp_path / "other").write_text(content)
        assert main(["watch", str(tmp_path / "other")]) == 2
        assert "holds no probes. Give a file that a `Monitor` wrote" in capsys.readouterr().err

    (tmp_path / "begun.jsonl").write_text("")
    assert main(["watch", str(tmp_path / "begun.jsonl")]) == 0
    assert "no probes yet" in capsys.readouterr().out


def test_what_is_not_known_is_a_dash_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.jsonl"
    first = {"step": 0, "loss": 2.5, "note": "no filter: has no state yet"}
    path.write_text("\n".join(map(json.dumps, [first, {"step": 5, "ratio": 0.75}])) + "\n")

    assert main(["watch", str(path)]) == 0

    shown = capsys.readouterr().out
    assert "nan" not in shown
    assert "–" in shown
    assert "step 0  note: no filter: has no state yet" in shown


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


def test_a_record_that_does_not_grow_says_so(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text("")
    fresh = str(_silence(file))
    os.utime(file, (0, 0))

    assert fresh == ""
    assert "no news for" in str(_silence(file))


def test_what_cannot_be_watched_or_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text("")

    for arguments, message in (
        (["watch", str(file), "--seconds", "-1"], "`--seconds` must be positive"),
        (["report", str(file)], "passband watch"),
        (["demo", "--quick", "--out", str(file / "x")], "a file is where a folder is wanted"),
    ):
        assert main(arguments) == 2
        assert message in capsys.readouterr().err
