"""Two processes with uneven shares of the probe set see what one process sees."""

import dataclasses
import importlib.util
import math
import os
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from passband.monitor import Monitor, Probe, read_records

WORKER = Path(__file__).with_name("distributed_worker.py")

pytestmark = pytest.mark.slow


def worker() -> Any:
    spec = importlib.util.spec_from_file_location("monitor_worker", WORKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have left what they found."""
    out = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(out)],
            env=os.environ | common | {"RANK": str(rank), "OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]
    try:
        codes = [process.wait(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert codes == [0, 0]
    return out


def on_two(what: str, folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / f"found.{rank}", weights_only=False)[what] for rank in range(2)]


@cache
def alone() -> tuple[Monitor, torch.Tensor]:
    module = worker()
    model = module.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.5)
    options = module.options(None) | {"on_event": "silent", "log": None}
    monitor = Monitor(model, torch.nn.functional.mse_loss, module.data(), optimizer, **options)
    module.train(model, monitor, optimizer)
    return monitor, torch.cat([p.detach().reshape(-1) for p in model.parameters()])


def assert_alike(one: Probe, other: Probe) -> None:
    loose = {"seconds", "matvecs", "note", "verified"}
    for field in dataclasses.fields(Probe):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in loose or (isinstance(a, float) and math.isnan(a) and math.isnan(b)):
            continue
        # the mode is known to the square root of rtol
        assert b == pytest.approx(a, rel=1e-4), field.name


@pytest.mark.parametrize("what", ["shares", "sharded"])
def test_two_processes_see_what_one_sees(what: str, folder: Path) -> None:
    monitor, weights = alone()

    for found in on_two(what, folder):
        assert [p.step for p in found["probes"]] == [0, 2, 4]
        for mine, theirs in zip(monitor.probes, found["probes"], strict=True):
            assert_alike(mine, theirs)
        assert [(e.step, e.kind) for e in found["events"]] == [
            (e.step, e.kind) for e in monitor.events
        ]
        torch.testing.assert_close(found["weights"], weights, rtol=1e-10, atol=1e-12)
    written, _ = read_records(folder / f"{what}.jsonl")
    assert [p.step for p in written] == [0, 2, 4]  # by one process, once


def test_a_probe_that_fails_on_one_fails_on_both_and_training_goes_on(folder: Path) -> None:
    _, weights = alone()

    for found in on_two("failing", folder):
        assert [p.step for p in found["probes"]] == [0, 4]
        assert [e.step for e in found["events"] if e.kind == "failed"] == [2]
        torch.testing.assert_close(found["weights"], weights, rtol=1e-10, atol=1e-12)


def test_out_of_memory_on_one_is_tried_again_by_both(folder: Path) -> None:
    for found in on_two("memory", folder):
        assert [p.step for p in found["probes"]] == [0, 2, 4]
        assert "batches of 2" in found["events"][0].message


def test_with_a_budget_both_look_at_the_same_steps(folder: Path) -> None:
    one, other = on_two("budget", folder)

    assert [p.step for p in one["probes"]] == [p.step for p in other["probes"]]


def test_it_needs_processes() -> None:
    module = worker()
    model = module.network()
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="torchrun"):
        Monitor(model, torch.nn.functional.mse_loss, module.data(), sgd, distributed=True, log=None)
