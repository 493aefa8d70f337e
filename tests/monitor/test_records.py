"""Records of a monitor: read back, continued, killed, on a full disk."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from watched import MSE, X, Y, network, quiet

from passband.errors import MonitorWarning
from passband.monitor import (
    Monitor,
    newest,
    read_records,
)


def test_a_record_is_read_back_and_goes_on_without_gaps_or_duplicates(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "monitor.jsonl"
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with quiet(model, MSE, (X, Y), optimizer, every=2, log=path) as monitor:
        for _ in range(8):
            monitor.step()
    first = monitor.probes
    with path.open("a") as file:
        file.write('{"step": 9, "los')  # cut off by a crash

    assert [p.step for p in read_records(path)[0]] == [0, 2, 4, 6, 8]
    assert str(read_records(path)[0]) == str(first)  # as text: NaN does not equal itself

    # the training goes on from a checkpoint of step 4
    with quiet(model, MSE, (X, Y), optimizer, every=2, log=path, step=4) as monitor:
        for _ in range(6):
            monitor.step()

    probes, events = read_records(path)
    assert [p.step for p in probes] == [0, 2, 4, 6, 8, 10]
    assert events == []
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [
        0,
        2,
        4,
        6,
        8,
        10,
    ]


def test_a_run_that_begins_again_moves_the_record_of_the_one_before_aside(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps: list[int] = []
    for extra in range(3):
        with quiet(model, MSE, (X, Y), optimizer, every=1, log=path) as monitor:
            for _ in range(extra):
                monitor.step()
        assert monitor.file == path
        steps.append(len(monitor.probes))

    kept = [path.with_name("r.1.jsonl"), path.with_name("r.2.jsonl"), path]

    assert [len(read_records(file)[0]) for file in kept] == steps == [1, 2, 3]
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    assert newest(tmp_path) == path


def test_a_monitor_that_cannot_begin_leaves_an_earlier_record(tmp_path: Path) -> None:
    path = tmp_path / "monitor.jsonl"
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with quiet(model, MSE, (X, Y), optimizer, every=1, log=path):
        pass
    before = path.read_text()

    with pytest.raises(ValueError, match="as many samples"):
        quiet(model, MSE, (X, Y[:3]), optimizer, every=1, log=path)

    assert path.read_text() == before != ""


def test_by_default_every_run_has_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    files: list[Path | None] = []
    for _ in range(2):
        with Monitor(model, MSE, (X, Y), optimizer, every=1, on_event="silent") as monitor:
            monitor.step()
        files.append(monitor.file)

    assert len(set(files)) == 2
    for file in files:
        assert file is not None
        assert file.parent == Path("runs/monitor")
        assert [p.step for p in read_records(file)[0]] == [0, 1]
    assert newest() in files


def test_where_nothing_can_be_written_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").write_text("in the way")
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    with (
        pytest.warns(MonitorWarning, match="stops writing"),
        Monitor(model, MSE, (X, Y), optimizer, every=1) as monitor,
    ):
        monitor.step()

    assert [p.step for p in monitor.probes] == [0, 1]
    assert monitor.file is None


@pytest.mark.slow
def test_a_kill_loses_at_most_the_last_probe(tmp_path: Path) -> None:
    path = tmp_path / "monitor.jsonl"
    code = textwrap.dedent(f"""
        import torch, passband as pb
        x = torch.eye(2)
        model = torch.nn.Linear(2, 1)
        sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        monitor = pb.Monitor(model, torch.nn.functional.mse_loss, (x, x[:, :1]), sgd, every=1,
                             log={str(path)!r})
        with monitor:
            while True:
                monitor.step()
                print(monitor.probes[-1].step, flush=True)
    """)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen = 0
    while seen < 10:
        seen = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    last = max([seen, *map(int, process.stdout.read().split())])
    process.wait()
    process.stdout.close()

    steps = [probe.step for probe in read_records(path)[0]]

    assert steps == list(range(len(steps)))
    assert steps[-1] >= last - 1


class Broken:
    """A log that fails where it is told to."""

    def __init__(self, *, writing: Exception | None = None, closing: Exception | None = None):
        self.writing, self.closing, self.closed = writing, closing, 0

    def write(self, record: Any) -> None:
        del record
        if self.writing is not None:
            raise self.writing

    def close(self) -> None:
        self.closed += 1
        if self.closing is not None:
            raise self.closing


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (Broken(writing=OSError(28, "No space left on device")), "No space left"),
        (Broken(writing=RuntimeError("network down")), "stops writing: network down"),
        (Broken(writing=KeyError(), closing=RuntimeError()), "stops writing: KeyError"),
        (Broken(closing=RuntimeError("network down")), "could not be closed: network down"),
    ],
)
def test_a_log_that_fails_is_closed_and_does_not_end_training(log: Broken, message: str) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with (
        pytest.warns(MonitorWarning, match=message) as caught,
        Monitor(model, MSE, (X, Y), optimizer, every=1, log=log) as monitor,
    ):
        monitor.step()

    assert len(monitor.probes) == 2
    assert log.closed == 1
    assert len(caught) == 1
