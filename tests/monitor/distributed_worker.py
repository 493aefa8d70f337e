"""One of two processes that train together and are watched together."""

import datetime as dt
import os
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from passband.errors import MonitorWarning
from passband.monitor import Monitor
from passband.monitor.prober import Prober

MSE = nn.functional.mse_loss
SHARES = (slice(0, 8), slice(8, 20))
SCENARIOS = ("shares", "sharded", "failing", "memory", "budget")


def data() -> tuple[Tensor, Tensor]:
    x = torch.linspace(-1, 1, 60).double().view(20, 3)
    return x, torch.stack([x.sum(1).sin(), x[:, 0] * x[:, 1]], dim=1)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def train(model: nn.Module, monitor: Monitor, optimizer: torch.optim.Optimizer) -> None:
    """Four steps on all of the data, so that every process count does the same."""
    x, y = data()
    with monitor:
        for _ in range(4):
            optimizer.zero_grad()
            MSE(model(x), y).backward()
            optimizer.step()
            monitor.step()


def options(log: Path | None) -> dict[str, Any]:
    return {"every": 2, "batch": 4, "smallest": True, "rtol": 1e-8, "log": log, "seed": 1}


@contextmanager
def spoiled(kind: type[Exception] | None, *, at: int) -> Generator[None]:
    """Let the probe fail once on this process."""
    look, looks = Prober.look, 0

    def failing(self: Prober, step: int) -> Any:
        nonlocal looks
        looks += 1
        if kind is not None and looks == at:
            raise kind("spoiled")
        return look(self, step)

    Prober.look = failing
    try:
        yield
    finally:
        Prober.look = look


def watched(what: str, rank: int, out: Path) -> dict[str, Any]:
    model = network()
    plain: nn.Module = model
    if what == "sharded":
        fully_shard(model)
    else:
        model = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.5)
    chosen: dict[str, Any] = options(out / f"{what}.jsonl")
    if what == "budget":
        chosen |= {"every": None, "budget": 0.9}
    x, y = (part[SHARES[rank]] for part in data())
    fault = {"failing": ValueError, "memory": MemoryError}.get(what) if rank else None
    monitor = Monitor(plain, MSE, (x, y), optimizer, distributed=True, **chosen)
    with spoiled(fault, at=2 if what == "failing" else 1), warnings.catch_warnings():
        warnings.simplefilter("ignore", MonitorWarning)
        train(model, monitor, optimizer)
    weights: list[Any] = [p.detach() for p in model.parameters()]
    if what == "sharded":
        weights = [w.full_tensor() for w in weights]
    return {
        "probes": monitor.probes,
        "events": monitor.events,
        "weights": torch.cat([w.reshape(-1) for w in weights]),
    }


def main() -> None:
    rank, out = int(os.environ["RANK"]), Path(sys.argv[1])
    torch.set_num_threads(1)
    dist.init_process_group("gloo", timeout=dt.timedelta(seconds=60))
    found = {what: watched(what, rank, out) for what in SCENARIOS}
    torch.save(found, out / f"found.{rank}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
