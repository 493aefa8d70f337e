"""Runs are done once, side by side or in line, and one that fails does not take others along."""

import json
import os
import signal
import subprocess
import sys
import warnings
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import pytest
from typing_extensions import override

from passband.errors import MissingExtraError
from passband.studies import Checkpoints, Measurement, Policy, Record, Run, Store, execute
from passband.studies.backends import available
from passband.studies.checkpoints import NOWHERE


def toy(folder: Path) -> Any:
    """A class that other processes get by value: they cannot import a test."""

    @final
    @dataclass(frozen=True, kw_only=True)
    class Toy(Run):
        study: ClassVar[str] = "toy"
        does: str = "works"

        @property
        @override
        def label(self) -> str:
            return f"{self.does} {self.seed}"

        @property
        @override
        def cost(self) -> float:
            return float(self.seed)

        @override
        def measure(self, checkpoints: Checkpoints = NOWHERE) -> Measurement:
            with (folder / f"{self.does}-{self.seed}").open("a") as file:
                file.write("x")
            if self.does == "warns":
                warnings.warn("be careful", UserWarning, stacklevel=1)
                raise ArithmeticError
            if self.does == "recovers" and tries(folder, f"recovers-{self.seed}") < 3:
                raise ConnectionError("for now")
            if self.does == "fails":
                raise ArithmeticError("it broke\nand has more to say")
            if self.does == "dies":
                os._exit(3)
            if self.does == "stops":
                raise KeyboardInterrupt
            return Measurement(metrics={"x": float(self.seed)})

    return Toy


def tries(folder: Path, name: str) -> int:
    path = folder / name
    return len(path.read_text()) if path.exists() else 0


def test_finished_runs_are_not_done_again(tmp_path: Path) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")
    runs = [Toy(seed=seed) for seed in range(3)]

    first = list(execute(runs[:2], store))
    second = list(execute(runs, store))

    assert [o.reused for o in first] == [False, False]
    assert sorted((o.run.seed, o.reused) for o in second) == [(0, True), (1, True), (2, False)]
    assert [tries(tmp_path, f"works-{seed}") for seed in range(3)] == [1, 1, 1]
    assert all(o.record is not None and o.record.metric("x") == o.run.seed for o in second)


def test_force_does_them_again(tmp_path: Path) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")

    list(execute([Toy()], store))
    list(execute([Toy()], store, policy=Policy(force=True)))

    assert tries(tmp_path, "works-0") == 2


def test_a_damaged_record_is_measured_again(tmp_path: Path) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")
    list(execute([Toy()], store))

    (store.path(Toy().configuration()) / "run.json").write_text("{")
    outcomes = list(execute([Toy()], store))

    assert not outcomes[0].reused
    assert store.load(Toy().configuration()) is not None


def test_a_failed_run_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")
    runs = [Toy(seed=2, does="fails"), Toy(seed=1)]

    failed, worked = execute(runs, store)  # expensive ones first

    assert (failed.record, failed.error) == (None, "ArithmeticError: it broke")
    assert "measure" in failed.details
    assert worked.record is not None
    assert [r.configuration["label"] for r in store] == ["works 1"]


def test_an_interrupt_keeps_what_is_finished(tmp_path: Path) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")
    runs = [Toy(seed=3), Toy(seed=2, does="stops"), Toy(seed=1)]

    with pytest.raises(KeyboardInterrupt):
        list(execute(runs, store))

    assert [r.configuration["label"] for r in store] == ["works 3"]
    assert tries(tmp_path, "works-1") == 0


def test_jobs_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`jobs` must be 1 or more; got 0"):
        list(execute([], Store(tmp_path), jobs=0))


@pytest.mark.parametrize(("retries", "works"), [(0, False), (1, False), (2, True), (5, True)])
def test_what_fails_for_a_while_is_tried_again(tmp_path: Path, retries: int, works: bool) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")

    (outcome,) = execute([Toy(does="recovers")], store, policy=Policy(retries=retries))

    assert (outcome.record is not None) == works
    assert outcome.attempts == tries(tmp_path, "recovers-0") == min(retries, 2) + 1
    assert ("ConnectionError" in outcome.error) != works


def test_a_failed_run_leaves_its_log_and_a_finished_one_does_not(tmp_path: Path) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")

    list(execute([Toy(does="fails"), Toy(does="works")], store))

    (left,) = store.unfinished_runs()
    log = (left.folder / "log.txt").read_text(encoding="utf-8")
    assert (left.status, left.error) == ("failed", "ArithmeticError: it broke")
    assert left.configuration == Toy(does="fails").configuration()
    assert "begins fails 0" in log
    assert "Traceback" in log
    assert len(store.finished()) == 1


def test_warnings_are_shown_and_logged(tmp_path: Path) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")

    with pytest.warns(UserWarning, match="be careful"):
        list(execute([Toy(does="warns")], store))

    (left,) = store.unfinished_runs()
    assert "warning: " in (left.folder / "log.txt").read_text(encoding="utf-8")


def test_a_full_disk_is_an_outcome_that_names_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")
    rename = Path.rename

    def full(self: Path, target: Any) -> Path:
        if ".new." in self.name:
            raise OSError(28, "No space left on device", str(target))
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        (outcome,) = execute([Toy()], store)
    (again,) = execute([Toy()], store)

    assert "No space left" in outcome.error
    assert str(tmp_path / "records") in outcome.error
    assert again.record is not None
    assert [path.name for path in store.folder.iterdir()] == [again.record.name]


def test_what_another_process_has_finished_is_not_done(tmp_path: Path) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")
    outcomes = execute([Toy(seed=2), Toy(seed=1)], store)
    next(outcomes)

    list(execute([Toy(seed=1)], store))
    (last,) = outcomes

    assert last.reused
    assert tries(tmp_path, "works-1") == 1


def test_what_an_interrupt_left_beside_a_record_is_removed(tmp_path: Path) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")
    ended, at_it = Toy(seed=1), Toy(seed=2)
    list(execute([ended, at_it], store))
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass  # its number is nobody's now
    for run in (ended, at_it):
        left = store.unfinished(run.configuration())
        left.begin(run.configuration(), {})
        left.log("checkpoint")
    begun = store.unfinished(ended.configuration()).folder / "begun.json"
    begun.write_text(json.dumps(json.loads(begun.read_text()) | {"process": process.pid}))

    outcomes = list(execute([ended, at_it], store))

    assert all(outcome.reused for outcome in outcomes)
    assert [left.configuration for left in store.unfinished_runs()] == [at_it.configuration()]


def test_what_another_process_is_at_comes_last(tmp_path: Path) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")
    store.unfinished(Toy(seed=3).configuration()).begin(Toy(seed=3).configuration(), {})

    outcomes = list(execute([Toy(seed=seed) for seed in (1, 2, 3)], store))

    assert [outcome.run.seed for outcome in outcomes] == [2, 1, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"retries": -1}, "`retries`"), ({"save_every": float("nan")}, "`save_every`")],
    ids=["retries", "save_every"],
)
def test_policies_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Policy(**options)


def test_backends_are_known_and_installed_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)

    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name in {"ray", "distributed"} else 1
    )
    with pytest.raises(MissingExtraError, match=r"pip install ray"):
        list(execute([], store, backend="ray"))
    with pytest.raises(MissingExtraError, match=r"pip install 'dask\[distributed\]'"):
        list(execute([], store, backend="dask"))
    with pytest.raises(ValueError, match="must be one of loky, ray, dask; got 'slurm'"):
        available("slurm", jobs=1)


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "module"), [("dask", "distributed"), ("ray", "ray")])
def test_clusters_give_the_same_records(tmp_path: Path, backend: Any, module: str) -> None:
    pytest.importorskip(module)
    Toy, store = toy(tmp_path), Store(tmp_path / "records")
    runs = [Toy(seed=2), Toy(seed=1, does="fails"), Toy(seed=0)]

    outcomes = {o.run.label: o for o in execute(runs, store, jobs=2, backend=backend)}

    assert set(outcomes) == {run.label for run in runs}
    assert outcomes["fails 1"].error == "ArithmeticError: it broke"
    assert {r.configuration["label"] for r in store} == {"works 2", "works 0"}


@pytest.mark.slow
def test_processes_give_the_same_records_and_isolate_a_death(tmp_path: Path) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")
    runs = [Toy(seed=3), Toy(seed=2, does="dies"), Toy(seed=1, does="fails"), Toy(seed=0)]

    outcomes = {o.run.label: o for o in execute(runs, store, jobs=2)}

    assert set(outcomes) == {run.label for run in runs}
    assert "process died" in outcomes["dies 2"].error
    assert outcomes["fails 1"].error == "ArithmeticError: it broke"
    assert {left.status for left in store.unfinished_runs()} == {"failed"}
    for label, seed in [("works 3", 3.0), ("works 0", 0.0)]:
        record = outcomes[label].record
        assert isinstance(record, Record)
        assert record.metric("x") == seed
        assert record.environment["threads"] == "1"
    assert {r.configuration["label"] for r in store} == {"works 3", "works 0"}


@pytest.mark.slow
def test_leaving_early_stops_the_processes(tmp_path: Path) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")
    runs = [Toy(seed=seed) for seed in range(20)]
    on_interrupt = signal.getsignal(signal.SIGINT)

    with closing(execute(runs, store, jobs=2)) as outcomes:
        first = next(outcomes)

    assert first.record is not None
    assert store.load(first.run.configuration()) == first.record
    assert signal.getsignal(signal.SIGINT) is on_interrupt
