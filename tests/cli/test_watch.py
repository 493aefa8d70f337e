"""`passband watch` shows what a monitor wrote."""

import json
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
    assert "no file" in capsys.readouterr().err


def test_a_sparkline_keeps_the_last_value() -> None:
    assert len(sparkline([1.0] * 1000)) <= 60
    assert sparkline([0.0] * 99 + [1.25])[-1] == "█"
    assert sparkline([float("nan"), 1.25]) == " █"
