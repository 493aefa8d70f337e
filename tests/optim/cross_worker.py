"""Trains a small network in one combination of precision, processes, accumulation and base.

Run as a script it does all combinations on several processes and saves the weights.
"""

import io
import itertools
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from typing_extensions import override

from passband import optim
from passband.errors import PassbandError


class Case(NamedTuple):
    """One combination."""

    precision: str
    accumulate: int
    base: str
    drive: str = "closure"  # "ascent", "two steps", or "base": the base optimizer alone
    rho: float = 0.05
    resume: bool = False

    @override
    def __str__(self) -> str:
        return "-".join(map(str, self))


PRECISIONS, ACCUMULATE, BASES = ("fp32", "bf16", "fp16"), (1, 3), ("sgd", "adamw")
CROSS = [Case(*parts) for parts in itertools.product(PRECISIONS, ACCUMULATE, BASES)]
STEPS = 6


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))


def make(case: Case, model: nn.Module) -> tuple[Any, torch.amp.GradScaler]:
    params = model.parameters()
    base: Any = (
        torch.optim.SGD(params, lr=0.2, momentum=0.9, weight_decay=0.01)
        if case.base == "sgd"
        else torch.optim.AdamW(params, lr=0.05, weight_decay=0.1)
    )
    optimizer = base if case.drive == "base" else optim.SharpnessAware(base, rho=case.rho)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, enabled=case.precision == "fp16")
    return optimizer, scaler


def autocast(case: Case) -> AbstractContextManager[Any]:
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(case.precision)
    return nullcontext() if dtype is None else torch.autocast("cpu", dtype=dtype)


def micro_batches(case: Case, step: int, rank: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1000 * step + rank)
    x = torch.randn(3 * case.accumulate, 5, generator=generator)
    y = torch.randint(0, 3, (3 * case.accumulate,), generator=generator)
    return list(zip(x.split(3), y.split(3), strict=True))


def train(case: Case, rank: int = 0, world: int = 1) -> list[Tensor]:
    """Return the weights after some steps, interrupted by a checkpoint in the middle or not."""

    def start() -> tuple[nn.Module, nn.Module, Any, torch.amp.GradScaler]:
        inner = network()
        model = DistributedDataParallel(inner) if world > 1 else inner
        return inner, model, *make(case, inner)

    inner, model, optimizer, scaler = start()
    for step in range(STEPS):
        if case.resume and step == STEPS // 2:
            file = io.BytesIO()
            parts = (inner, optimizer, scaler)
            torch.save([part.state_dict() for part in parts], file)
            file.seek(0)
            inner, model, optimizer, scaler = start()
            saved = torch.load(file)
            for part, state in zip((inner, optimizer, scaler), saved, strict=True):
                part.load_state_dict(state)
        one_step(case, model, optimizer, scaler, micro_batches(case, step, rank))
    return [p.detach().clone() for p in inner.parameters()]


def one_step(
    case: Case,
    model: nn.Module,
    optimizer: Any,
    scaler: torch.amp.GradScaler,
    batches: list[tuple[Tensor, Tensor]],
) -> None:
    def backward() -> Tensor:
        total = torch.zeros(())
        for x, y in batches:
            with autocast(case):
                loss = functional.cross_entropy(model(x), y) / len(batches)
            scaler.scale(loss).backward()
            total += loss.detach()
        return total

    if case.drive == "closure":
        optimizer.step(backward, scaler=scaler)
        scaler.update()
        return
    optimizer.zero_grad()
    backward()
    if case.drive == "ascent":
        with optimizer.ascent(scaler=scaler):
            backward()
    elif case.drive == "two steps":
        optimizer.first_step(zero_grad=True)
        backward()
        optimizer.second_step(zero_grad=True)
        return
    scaler.step(optimizer)
    scaler.update()


def variants(case: Case) -> list[Case]:
    """Return what is compared: plain, resumed, by hand, and both with rho 0 and the base alone."""
    return [
        case,
        case._replace(resume=True),
        case._replace(drive="ascent"),
        case._replace(drive="ascent", resume=True),
        case._replace(rho=0.0),
        case._replace(rho=0.0, drive="ascent"),
        case._replace(drive="base", rho=0.0),
    ]


def quadratic_fit(model: nn.Module, rank: int, world: int) -> Callable[[], Tensor]:
    """Return a closure on this process's share of eight samples."""
    generator = torch.Generator().manual_seed(5)
    x, y = (torch.randn(8, n, generator=generator).double() for n in (5, 3))
    mine = slice(rank * 8 // world, (rank + 1) * 8 // world)

    def closure() -> Tensor:
        loss = ((model(x[mine]) - y[mine]) ** 2).mean()
        loss.backward()
        return loss

    return closure


METHODS: dict[str, Callable[[Any], Any]] = {
    "two-step": lambda p: optim.USAM(p, 0.1, 0.1, steps=2, momentum=0.9),
    "sam": lambda p: optim.SAM(p, 0.1, 0.1),
    "asam": lambda p: optim.SAM(p, 0.1, 0.1, adaptive=True),
    "adamw": lambda p: optim.SharpnessAware(torch.optim.AdamW(p, lr=0.01), rho=0.1, normalize=True),
    "hessian": lambda p: optim.HessianUSAM(p, 0.1, 0.1),
}


def on_shares(name: str, how: str, rank: int, world: int) -> list[Tensor]:
    """Return the weights after three steps on the whole data, shared over processes somehow."""
    inner: Any = network().double()
    model = inner
    if how == "ddp":
        model = DistributedDataParallel(inner)
    elif how == "fsdp":
        for layer in inner:
            if isinstance(layer, nn.Linear):
                fully_shard(layer, mesh=init_device_mesh("cpu", (world,)))
        fully_shard(inner, mesh=init_device_mesh("cpu", (world,)))
    optimizer = METHODS[name](inner.parameters())
    if how == "ddp":
        optimizer.attach(model)
    for _ in range(3):
        optimizer.step(quadratic_fit(model, rank, world))
    whole: list[Any] = list(inner.parameters())
    return [(p.full_tensor() if how == "fsdp" else p).detach() for p in whole]


def local_ascent(rank: int, world: int) -> tuple[int, int, list[Tensor]]:
    """Return how often gradients were averaged in a step, without and with, and the weights."""
    counts: list[int] = []
    world_group: Any = dist.group.WORLD
    for local in (False, True):
        inner = network().double()
        model: Any = DistributedDataParallel(inner)
        sent = [0]

        def count(sent: list[int], bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:  # pyright: ignore[reportPrivateImportUsage]
            sent[0] += 1
            return default_hooks.allreduce_hook(world_group, bucket)

        model.register_comm_hook(sent, count)
        optimizer = optim.USAM(inner.parameters(), 0.1, 0.1, steps=2)
        optimizer.attach(model, local_ascent=local)
        for _ in range(3):
            optimizer.step(quadratic_fit(model, rank, world))
        counts.append(sent[0])
    return counts[0], counts[1], [p.detach() for p in inner.parameters()]


def main() -> None:
    """Do everything, as one of several processes; the first one saves."""
    rank, world, out = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), sys.argv[1]
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    found: dict[str, Any] = {
        str(v): train(v, rank, world) for case in CROSS for v in variants(case)
    }
    for name in METHODS:
        found[f"ddp {name}"] = on_shares(name, "ddp", rank, world)
        try:
            found[f"fsdp {name}"] = on_shares(name, "fsdp", rank, world)
        except PassbandError as error:
            found[f"fsdp {name}"] = str(error)
    found["local"] = local_ascent(rank, world)
    every: list[Any] = [None] * world
    torch.distributed.all_gather_object(every, found)
    if rank == 0:
        torch.save(every, out)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
