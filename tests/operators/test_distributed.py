"""Two processes with uneven shares find what one process finds, and fail together."""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import passband as pb
from passband.errors import PassbandError
from passband.operators import Distributed

WORKER = Path(__file__).with_name("distributed_worker.py")

pytestmark = pytest.mark.slow


def worker() -> Any:
    spec = importlib.util.spec_from_file_location("distributed_worker", WORKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def on_two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Any]]]:
    """What two processes found, by scenario; one of them is killed in the last."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    out = tmp_path_factory.mktemp("two") / "found"
    processes = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(out)],
            env=os.environ | common | {"RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.DEVNULL,
        )
        for rank in range(2)
    ]
    try:
        for process in processes:
            process.wait(timeout=120)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [torch.load(Path(f"{out}.{rank}")) for rank in range(2)]


def test_two_processes_find_what_one_finds(on_two: Any) -> None:
    module = worker()
    model, x, y = module.whole()
    objective = pb.Objective(model, nn.functional.cross_entropy, (x, y))
    alone = {
        "hessian": module.measured(pb.Hessian(objective)),
        "gauss-newton": module.measured(pb.GaussNewton(objective)),
    }

    for both in on_two:
        found = both["same"]
        for name, expected in alone.items():
            for part in ("values", "dense", "trace"):
                torch.testing.assert_close(
                    found[name][part], expected[part], rtol=1e-10, atol=1e-12
                )
            assert found[name]["matvecs"] == expected["matvecs"]


def test_a_sharded_model_has_the_spectrum_of_the_whole_one(on_two: Any) -> None:
    model, x, y = worker().whole()
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    loss = nn.functional.cross_entropy

    def train() -> None:
        adam.zero_grad()
        loss(model(x), y).backward()
        adam.step()

    train()
    objective = pb.Objective(model, loss, (x, y))
    alone = worker().measured(pb.Hessian(objective))
    preconditioned = pb.PreconditionedHessian(objective, adam).dense()
    inspected = pb.inspect(model, loss, (x, y), adam, k=2).sharpness
    weights = objective.theta
    train()

    for both in on_two:
        found = both["sharded"]
        assert "error" not in found, found["error"]
        torch.testing.assert_close(found["weights"], weights, rtol=1e-10, atol=1e-12)
        for part in ("values", "dense", "trace"):
            torch.testing.assert_close(found[part], alone[part], rtol=1e-9, atol=1e-11)
        torch.testing.assert_close(found["preconditioned"], preconditioned, rtol=1e-6, atol=1e-8)
        assert found["inspected"] == pytest.approx(inspected, rel=1e-6)
        assert found["left"]
        assert found["after"] == pytest.approx(objective.value(), rel=1e-9)


def test_vectors_that_differ_by_rounding_are_the_same(on_two: Any) -> None:
    assert [found["centered"] for found in on_two] == [{}, {}]


@pytest.mark.parametrize(
    ("what", "first", "second"),
    [
        ("models", "differ", "differ"),
        ("vectors", "different vectors", "different vectors"),
        ("samples", "1 other process(es) failed", "`samples` must be positive; got -1.0"),
        ("nan", "", "nan"),
        ("killed", "", None),
    ],
)
def test_what_is_wrong_on_one_is_an_error_on_all(
    what: str, first: str, second: str | None, on_two: Any
) -> None:
    one, other = on_two

    assert first in one[what]["error"]
    assert (what not in other) is (second is None)
    if second is not None:
        assert second in other[what]["error"]


def test_it_needs_processes() -> None:
    with pytest.raises(PassbandError, match="torchrun"):
        Distributed(pb.MatrixOperator(torch.eye(2)), samples=1)
