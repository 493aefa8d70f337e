"""One of several processes: does what it is told, and saves what it found."""

import datetime as dt
import os
import sys
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard

import passband as pb
from passband.operators import Distributed


def whole() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    return model, torch.randn(21, 4).double(), torch.randint(0, 3, (21,))


def measured(operator: Any) -> dict[str, Any]:
    s = pb.eigenvalues(operator, k=3, rtol=1e-10)
    return {
        "values": s.values,
        "matvecs": s.matvecs,
        "dense": operator.dense(),
        "trace": float(pb.trace(operator, seed=1)),
    }


def sharded(rank: int) -> dict[str, Any]:
    """Train a sharded model for a step of Adam, measure it, train on."""
    model, x, y = whole()
    for layer in model.children():
        if list(layer.parameters()):
            fully_shard(layer)
    fully_shard(model)
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    loss = nn.functional.cross_entropy

    def train() -> None:
        adam.zero_grad()
        loss(model(x), y).backward()
        adam.step()

    train()
    mine = (x[share(rank)], y[share(rank)])
    before = [p.detach().clone() for p in model.parameters()]
    objective = pb.Objective(model, loss, mine)
    hessian = Distributed(pb.Hessian(objective))
    found = measured(hessian)
    found["preconditioned"] = Distributed(pb.PreconditionedHessian(objective, adam)).dense()
    found["inspected"] = pb.inspect(model, loss, (x, y), adam, k=2).sharpness
    same = zip(before, model.parameters(), strict=True)
    found["left"] = all(torch.equal(local(a), local(b)) for a, b in same)
    found["weights"] = objective.theta
    train()
    found["after"] = pb.Objective(model, loss, (x, y)).value()
    return found


def local(p: Any) -> torch.Tensor:
    return p.to_local()


def share(rank: int) -> slice:
    return slice(0, 5) if rank == 0 else slice(5, 21)  # uneven


def found_by(what: str, rank: int) -> dict[str, Any]:
    model, x, y = whole()
    loss = nn.functional.cross_entropy
    if what == "models" and rank:
        with torch.no_grad():
            next(model.parameters()).add_(1e-3)
    if what == "nan" and rank:
        x[7, 0] = torch.nan
    found: dict[str, Any] = {}
    try:
        if what == "sharded":
            return sharded(rank)
        mine = pb.Objective(model, loss, (x[share(rank)], y[share(rank)]))
        operator = Distributed(
            pb.Hessian(mine), samples=-1.0 if what == "samples" and rank else None
        )
        if what == "same":
            found["hessian"] = measured(operator)
            found["gauss-newton"] = measured(Distributed(pb.GaussNewton(mine)))
        elif what == "vectors":
            operator.multiply(torch.full((operator.size,), 1.0 + rank, dtype=operator.dtype))
        elif what == "centered":  # two orders of summation: the sum is small, its rounding is not
            v = torch.randn(operator.size, dtype=torch.float64)
            v -= v.mean()
            operator.multiply(v * (1 + 1e-7 * torch.randn(len(v)) * rank))
        elif what == "killed" and rank:
            os._exit(9)
        else:
            pb.eigenvalues(operator, k=3)
    except Exception as error:
        found["error"] = f"{type(error).__name__}: {error}"
    return found


def main() -> None:
    rank, out = int(os.environ["RANK"]), sys.argv[1]
    torch.set_num_threads(1)
    dist.init_process_group("gloo", timeout=dt.timedelta(seconds=60))
    found: dict[str, dict[str, Any]] = {}
    for what in ("same", "sharded", "models", "vectors", "centered", "samples", "nan", "killed"):
        if what == "killed":  # after it there is nobody to talk to
            torch.save(found, f"{out}.{rank}")
        found[what] = found_by(what, rank)
    torch.save(found, f"{out}.{rank}")


if __name__ == "__main__":
    main()
