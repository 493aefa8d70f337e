"""Precision × processes × accumulation × base × resumed: everything at once, bit for bit."""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

WORKER = Path(__file__).with_name("cross_worker.py")


def load() -> Any:
    spec = importlib.util.spec_from_file_location("cross_worker", WORKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["cross_worker"] = module
    spec.loader.exec_module(module)
    return module


cross = load()


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def assert_consistent(found: dict[str, list[Tensor]], case: Any) -> None:
    plain, resumed, by_hand, hand_resumed, without, hand_without, base = (
        found[str(v)] for v in cross.variants(case)
    )
    assert all(bool(p.isfinite().all()) for p in plain)
    assert same(resumed, plain)
    assert same(by_hand, plain)
    assert same(hand_resumed, plain)
    assert same(without, base)
    assert same(hand_without, base)
    assert not same(plain, base)


@pytest.mark.parametrize("case", cross.CROSS, ids=str)
def test_on_one_process(case: Any) -> None:
    assert_consistent({str(v): cross.train(v) for v in cross.variants(case)}, case)


def test_the_interface_of_other_packages() -> None:
    case = cross.CROSS[0]

    assert same(cross.train(case._replace(drive="two steps")), cross.train(case))


@pytest.fixture(scope="module")
def distributed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list[Tensor]]]:
    out = tmp_path_factory.mktemp("cross") / "weights.pt"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    workers = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(out)],
            env=os.environ | common | {"RANK": str(rank), "OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]
    assert [worker.wait(timeout=240) for worker in workers] == [0, 0]
    return torch.load(out)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "how"),
    [(n, h) for n in cross.METHODS for h in ("ddp", "fsdp") if (n, h) != ("hessian", "fsdp")],
)
def test_shared_data_is_the_whole_data(name: str, how: str, distributed: list[Any]) -> None:
    alone = cross.on_shares(name, "alone", 0, 1)

    for found in distributed:
        for p, q in zip(found[f"{how} {name}"], alone, strict=True):
            torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-14)


@pytest.mark.slow
def test_a_hessian_product_of_sharded_parameters_is_refused(
    distributed: list[Any],
) -> None:
    for found in distributed:
        assert "Sharded models (FSDP) do not keep" in found["fsdp hessian"]


@pytest.mark.slow
def test_a_local_ascent_sends_no_gradient(distributed: list[Any]) -> None:
    synchronized, local, weights = distributed[0]["local"]

    assert synchronized == 9  # three steps of three gradients, one bucket each
    assert local == 3
    assert same(weights, distributed[1]["local"][2])


@pytest.mark.slow
@pytest.mark.parametrize("case", cross.CROSS, ids=str)
def test_on_two_processes(case: Any, distributed: list[dict[str, list[Tensor]]]) -> None:
    first, second = distributed

    assert_consistent(first, case)
    for v in cross.variants(case):
        assert same(first[str(v)], second[str(v)])
