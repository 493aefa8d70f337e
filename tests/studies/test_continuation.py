"""A training that was interrupted goes on bit by bit as if it had not been."""

import random
import subprocess
import sys
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from passband.studies import Checkpoints, FiltersAtWork, Measurement, Run, SixEdges, Store
from passband.studies.codec import pack
from passband.studies.filters_at_work import SmallBatchTraining
from passband.studies.one_gradient import contenders
from passband.studies.record import Record
from passband.studies.six_edges import FullBatchTraining

SMALL = SmallBatchTraining(train=60, test=20, side=4, hidden=(6,), batch=25, epochs=3)
FULL = FullBatchTraining(images=30, side=4, hidden=(5,), every=10, patience=20, window=20, limit=45)
METHODS = {
    m.name: m for m in (*FiltersAtWork().methods(0.9), *contenders(lr=0.01, rho=0.1, momentum=0.9))
}


class Stopped(BaseException):
    """What Ctrl-C would be."""


def interrupted(run: Run, folder: Path, *, after: int) -> bool:
    """Do a run until its n-th checkpoint; return whether it came so far."""
    made = count(1)

    class Fragile(Checkpoints):  # pyright: ignore[reportGeneralTypeIssues]
        @override
        def save(self, state: dict[str, Any]) -> None:
            super().save(state)
            if next(made) == after:
                raise Stopped

    try:
        run.measure(Fragile(folder, every=0.0))
    except Stopped:
        return True
    return False


def bits(run: Run, measured: Measurement) -> dict[str, bytes]:
    return pack(
        Record(configuration=run.configuration(), environment={}, measured=measured, seconds=0)
    )


@cache
def uninterrupted(run: Run) -> dict[str, bytes]:
    return bits(run, run.measure())


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("after", [2, 3, 4])  # in an epoch, at its end, in the next
def test_small_batches_go_on_bit_by_bit(tmp_path: Path, name: str, after: int) -> None:
    run = replace(SMALL, method=METHODS[name])

    assert interrupted(run, tmp_path, after=after)

    assert bits(run, run.measure(Checkpoints(tmp_path))) == uninterrupted(run)


@pytest.mark.parametrize(("index", "after"), [(0, 1), (1, 3), (3, 2), (5, 2)])
def test_full_batches_go_on_bit_by_bit(tmp_path: Path, index: int, after: int) -> None:
    run = replace(FULL, method=SixEdges().methods[index], patience=1000)

    assert interrupted(run, tmp_path, after=after)

    assert bits(run, run.measure(Checkpoints(tmp_path))) == uninterrupted(run)


def test_the_patience_of_a_run_survives_an_interruption(tmp_path: Path) -> None:
    assert interrupted(FULL, tmp_path, after=3)

    measured = FULL.measure(Checkpoints(tmp_path))

    assert measured.metrics["steps"] == 20  # the sharpness falls from the start
    assert bits(FULL, measured) == uninterrupted(FULL)


def test_a_run_can_be_interrupted_again_and_again(tmp_path: Path) -> None:
    run = replace(SMALL, method=METHODS["secant SGD"])

    for _ in range(4):
        interrupted(run, tmp_path, after=2)

    assert bits(run, run.measure(Checkpoints(tmp_path))) == uninterrupted(run)


PROCESS = """
import os, random, signal, sys, time
from pathlib import Path
from passband.studies import Policy, Store, execute
from passband.studies.images import mnist
sys.path.insert(0, sys.argv[1])
from test_continuation import killed_runs

folder, seed = Path(sys.argv[2]), int(sys.argv[3])
mnist(train=1, test=1)
draw = random.Random(seed)
for attempt in range(6):
    child = os.fork()
    if child == 0:
        for outcome in execute(killed_runs(), Store(folder), policy=Policy(save_every=0)):
            print("reused" if outcome.reused else "done", outcome.run.label, flush=True)
        os._exit(0)
    if attempt < 5:
        time.sleep(draw.uniform(0.2, 0.6))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    print("killed" if os.WIFSIGNALED(status) else "ended", flush=True)
list(execute(killed_runs(), Store(folder / "reference")))
"""


def killed_runs() -> list[Run]:
    """Return runs that take seconds together when every step is kept."""
    small = replace(SMALL, train=200, batch=10, epochs=2)
    return [
        replace(FULL, limit=300, patience=1000),
        *(replace(small, method=METHODS[name]) for name in ("USAM", "SGD", "secant SGD")),
    ]


@pytest.mark.slow
def test_killed_at_random_moments_the_records_are_the_same(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    here = str(Path(__file__).parent)

    process = subprocess.run(
        [sys.executable, "-c", PROCESS, here, str(tmp_path), str(seed)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    done = [line.removeprefix("done ") for line in lines if line.startswith("done")]
    assert [line for line in lines if line in {"killed", "ended"}] == ["killed"] * 5 + ["ended"]
    assert len(set(done)) == len(done)  # what was told as finished is not done again
    found, expected = Store(tmp_path), Store(tmp_path / "reference")
    for run in killed_runs():
        records = [store.load(run.configuration()) for store in (found, expected)]
        kept, reference = [bits(run, record.measured) for record in records if record]
        assert kept == reference, (run.label, seed)
    assert found.unfinished_runs() == []
