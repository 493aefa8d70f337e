"""There is one whole checkpoint or none, and what cannot be trusted is not used."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from passband.studies import Checkpoints
from passband.studies.checkpoints import MANIFEST, NOWHERE

STATE: dict[str, Any] = {
    "model": {"w": torch.tensor([1.0, float("nan"), -0.0])},
    "log": {"seen": [0.1, math.inf], "order": None, "name": "x"},
}


def at(folder: Path, **options: Any) -> tuple[Checkpoints, list[str]]:
    told: list[str] = []
    chosen: dict[str, Any] = {"every": 0.0, "tell": told.append, **options}
    return Checkpoints(folder, **chosen), told


def test_a_state_comes_back_bit_by_bit(tmp_path: Path) -> None:
    first, _ = at(tmp_path)
    first.offer(lambda: STATE)

    state = at(tmp_path)[0].load()

    assert state is not None
    assert state["log"] == STATE["log"]
    assert torch.equal(state["model"]["w"].view(torch.int32), STATE["model"]["w"].view(torch.int32))


def test_only_the_latest_is_kept(tmp_path: Path) -> None:
    checkpoints, _ = at(tmp_path)

    for i in range(3):
        checkpoints.save({"i": i})

    assert at(tmp_path)[0].load() == {"i": 2}
    assert len(list(tmp_path.iterdir())) == 2


def test_states_are_made_only_when_it_is_time(tmp_path: Path) -> None:
    checkpoints, _ = at(tmp_path, every=3600.0)

    def never() -> dict[str, Any]:
        raise AssertionError

    checkpoints.offer(never)
    checkpoints.offer(never, last=True)
    NOWHERE.offer(never, last=True)

    assert checkpoints.load() is None
    assert NOWHERE.load() is None


def test_the_last_state_goes_with_the_finished_run_if_it_is_wanted(tmp_path: Path) -> None:
    checkpoints, _ = at(tmp_path, every=3600.0, keep=True)

    checkpoints.offer(lambda: STATE, last=True)

    (tmp_path / "weights.pt").write_bytes(checkpoints.kept()["checkpoint.pt"])
    assert torch.load(tmp_path / "weights.pt", weights_only=True)["log"] == STATE["log"]
    assert at(tmp_path)[0].kept() == {}


def break_state(folder: Path) -> None:
    path = next(folder.glob("*.pt"))
    path.write_bytes(path.read_bytes()[:-1] + b"\0\0")


def lose_state(folder: Path) -> None:
    next(folder.glob("*.pt")).unlink()


def break_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text('{"file": "checkpoint')


@pytest.mark.parametrize(
    "damage", [break_state, lose_state, break_manifest], ids=lambda d: d.__name__
)
def test_a_damaged_checkpoint_is_told_and_not_used(tmp_path: Path, damage: Any) -> None:
    at(tmp_path)[0].save(STATE)

    damage(tmp_path)

    checkpoints, told = at(tmp_path)
    assert checkpoints.load() is None
    assert len(told) == 1
    assert "is not used" in told[0]
    checkpoints.save({"i": 1})
    assert checkpoints.load() == {"i": 1}


def test_another_environment_may_round_otherwise(tmp_path: Path) -> None:
    at(tmp_path, owner={"torch": "2.12"})[0].save(STATE)

    checkpoints, told = at(tmp_path, owner={"torch": "2.13"})

    assert checkpoints.load() is None
    assert "another environment" in told[0]


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    class Malice:
        def __reduce__(self) -> Any:  # pyright: ignore[reportImplicitOverride]
            return exec, ("raise SystemExit('it ran')",)

    at(tmp_path)[0].save({"x": Malice()})

    checkpoints, told = at(tmp_path)
    assert checkpoints.load() is None
    assert "cannot be read" in told[0]


def test_a_full_disk_does_not_stop_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints, told = at(tmp_path)
    checkpoints.save({"i": 0})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        checkpoints.offer(lambda: {"i": 1})

    assert "No space left" in told[0]
    assert at(tmp_path)[0].load() == {"i": 0}


def test_seconds_add_up_over_interruptions(tmp_path: Path) -> None:
    first, _ = at(tmp_path)
    first.seconds = 100.0
    first.save(STATE)

    second, _ = at(tmp_path)
    second.load()

    assert second.elapsed() >= 100.0


def test_times_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="`every` must be seconds"):
        Checkpoints(every=math.nan)
