"""`passband transient FILE.py` measures the step that a file defines."""

from pathlib import Path

import pytest

from passband.cli import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "transient_me.py"

STEP = """
import torch
state = {"x": torch.zeros(1), "y": torch.zeros(1)}
def step(s):
    return {"x": 0.5 * s["x"], "y": 0.5 * s["y"] + 4 * s["x"]}
"""

PLAYERS = """
import torch
from passband.transients.coupled import Player
zero = torch.zeros(1, dtype=torch.float64)
players = {
    "x": Player(variables=zero, loss=lambda w: 0.05 * w["x"].square().sum(), lr=0.5),
    "y": Player(variables=zero, loss=lambda w: (w["y"] - 9 * w["x"]).square().sum() / 2, lr=0.5),
}
"""


def written(tmp_path: Path, text: str) -> str:
    file = tmp_path / "subject.py"
    file.write_text(text)
    return str(file)


def test_measures_the_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transient", written(tmp_path, STEP)]) == 0

    shown = capsys.readouterr().out
    assert "4.06155" in shown  # (√17 + 4) / 2
    assert "2.12" in shown  # 17 / 8
    assert ", stable" in shown
    assert "worst perturbation" in shown


def test_the_shipped_example_is_stable_and_grows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transient", str(EXAMPLE), "--steps", "100"]) == 0

    shown = capsys.readouterr().out
    assert ", stable" in shown
    assert "encoder.variables.in" in shown


def test_players_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transient", written(tmp_path, PLAYERS), "--steps", "60"]) == 0

    shown = capsys.readouterr().out
    assert "alternating, 5 of y" in shown
    assert "multiply the learning rate of 'y'" in shown


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("state = 1", [], "must define step and state, or players"),
        (STEP, ["--compare"], "must define players"),
        (STEP.replace('0.5 * s["x"]', 's["x"].detach()'), [], "not that of what it does"),
    ],
)
def test_refusals(
    tmp_path: Path,
    text: str,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["transient", written(tmp_path, text), *options]) == 2

    assert message in capsys.readouterr().err
