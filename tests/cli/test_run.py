"""`passband run` does a study by its name."""

from pathlib import Path

import pytest
import torch

from passband.cli import campaign, main, run as command
from passband.studies import PROGRAMS, Program, SameEdge
from passband.studies.atomic import write
from passband.studies.one_gradient import SameEdgeTraining

TINY = SameEdge(
    training=SameEdgeTraining(
        images=30, side=4, hidden=(5,), every=10, patience=20, window=20, limit=40
    )
)


def test_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--list"]) == 0

    shown = capsys.readouterr().out
    assert all(name in shown for name in PROGRAMS)
    assert "minutes" in shown


def test_runs_and_draws_and_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = {"tiny": Program("one edge, in little", lambda **_: (TINY,))}
    monkeypatch.setattr(command, "PROGRAMS", tiny)
    arguments = ["run", "tiny", "--out", str(tmp_path), "--jobs", "1", "--keep-checkpoints"]

    assert main(arguments) == 0
    assert main(arguments) == 0

    shown = capsys.readouterr().out
    (finished, *_) = (tmp_path / "records").glob("*/checkpoint.pt")
    assert "weight" in next(iter(torch.load(finished, weights_only=True)["model"]))
    assert "5 runs: 0 kept" in shown
    assert "5 runs: 5 kept" in shown
    assert "same-edge-gradients" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert main(["report", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one-gradien"], "no study 'one-gradien', did you mean 'one-gradient'? Known: "),
        (["xyz"], "no study 'xyz'. Known: "),
        (["one-gradient", "--jobs", "0"], "`jobs`"),
        (["one-gradient", "--seeds", "0"], "`seeds`"),
        (["one-gradient", "--retries", "-1"], "`retries`"),
        (["one-gradient", "--save-every", "nan"], "`save_every`"),
        (["filters", "--data", "minst"], "one of subset, mnist, fashion, cifar10; got 'minst'"),
        (["one-gradient", "--data", "mnist"], "left out for this study"),
    ],
)
def test_bad_input_is_one_clear_sentence(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *arguments, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_another_process_may_try_the_same_folder_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(path: Path, content: str) -> None:
        write(path, content)
        if path.name == ".writable":
            path.unlink()  # the other process was faster

    monkeypatch.setattr(campaign, "write", written)
    monkeypatch.setattr(campaign, "_measure", lambda *_, **__: [])
    monkeypatch.setattr(campaign, "_conclude", lambda *_: 0)

    assert campaign.run_studies([], out=tmp_path, jobs=1, command="passband run tiny") == 0


def test_no_more_processes_than_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = {"tiny": Program("one edge, in little", lambda **_: (TINY,))}
    monkeypatch.setattr(command, "PROGRAMS", tiny)
    monkeypatch.setattr(campaign, "cores", lambda: 1)

    assert main(["run", "tiny", "--out", str(tmp_path), "--jobs", "64"]) == 0

    shown = capsys.readouterr().out
    assert "64 processes asked for; 1 are used" in shown
    assert "on 1 process(es)" in shown


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_has_runs_of_its_own(name: str, *, quick: bool) -> None:
    runs = [run for study in PROGRAMS[name].studies(quick=quick) for run in study.runs()]

    assert len({str(run.configuration()) for run in runs}) == len(runs)
    assert all(run.cost > 0 for run in runs)
