"""One of several processes: does what it is told, and saves what it found."""

import datetime as dt
import os
import sys
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

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


def share(rank: int) -> slice:
    return slice(0, 5) if rank == 0 else slice(5, 21)  # uneven


def main() -> None:
    rank, what, out = int(os.environ["RANK"]), sys.argv[1], sys.argv[2]
    torch.set_num_threads(1)
    dist.init_process_group("gloo", timeout=dt.timedelta(seconds=60))
    model, x, y = whole()
    loss = nn.functional.cross_entropy
    if what == "models" and rank:
        with torch.no_grad():
            next(model.parameters()).add_(1e-3)
    if what == "nan" and rank:
        x[7, 0] = torch.nan
    found: dict[str, Any] = {}
    try:
        mine = pb.Objective(model, loss, (x[share(rank)], y[share(rank)]))
        if what == "same":
            found["hessian"] = measured(Distributed(pb.Hessian(mine)))
            found["gauss-newton"] = measured(Distributed(pb.GaussNewton(mine)))
        elif what == "vectors":
            operator = Distributed(pb.Hessian(mine))
            operator.multiply(torch.full((operator.size,), 1.0 + rank, dtype=operator.dtype))
        elif what == "killed":
            operator = Distributed(pb.Hessian(mine))
            if rank:
                os._exit(9)
            pb.eigenvalues(operator, k=3)
        else:
            operator = Distributed(pb.Hessian(mine))
            pb.eigenvalues(operator, k=3)
    except Exception as error:
        found["error"] = f"{type(error).__name__}: {error}"
    torch.save(found, f"{out}.{rank}")


if __name__ == "__main__":
    main()
