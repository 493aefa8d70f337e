"""Runs are done once, side by side or in line, and one that fails does not take others along."""

import os
import signal
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import pytest
from typing_extensions import override

from passband.studies import Measurement, Record, Run, Store, execute


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
        def measure(self) -> Measurement:
            with (folder / f"{self.does}-{self.seed}").open("a") as file:
                file.write("x")
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
    list(execute([Toy()], store, force=True))

    assert tries(tmp_path, "works-0") == 2


def test_a_damaged_record_is_measured_again(tmp_path: Path) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")
    list(execute([Toy()], store))

    store.path(Toy().configuration()).write_text("{")
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


@pytest.mark.slow
def test_processes_give_the_same_records_and_isolate_a_death(tmp_path: Path) -> None:
    Toy, store = toy(tmp_path), Store(tmp_path / "records")
    runs = [Toy(seed=3), Toy(seed=2, does="dies"), Toy(seed=1, does="fails"), Toy(seed=0)]

    outcomes = {o.run.label: o for o in execute(runs, store, jobs=2)}

    assert set(outcomes) == {run.label for run in runs}
    assert "process died" in outcomes["dies 2"].error
    assert outcomes["fails 1"].error == "ArithmeticError: it broke"
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
