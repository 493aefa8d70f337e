"""Parameters that are sharded over processes, as FSDP2's are: their shards, and whole norms."""

import math
from collections import defaultdict
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def is_sharded(x: Tensor) -> bool:
    """Whether a tensor is a ``DTensor``: this process holds a part of it, or a copy."""
    return hasattr(x, "to_local")


def shards(xs: list[Tensor]) -> list[Tensor]:
    """Return what this process holds of each tensor, sharing memory; plain tensors as they are."""
    return [_local(x) for x in xs]


def whole_norm(xs: list[Tensor]) -> float:
    """Return the Euclidean norm of all entries on all processes; collective.

    A dimension of the mesh either shards a tensor or repeats it, as those of FSDP2 do.
    """
    groups: dict[Any, list[Any]] = defaultdict(list)
    for x in xs:
        sharded: Any = x
        groups[sharded.device_mesh, sharded.placements].append(sharded)
    squares = 0.0
    for (mesh, placements), tensors in groups.items():
        local = [torch.linalg.vector_norm(_local(t), dtype=torch.float64) for t in tensors]
        total = torch.stack(local).square().sum()
        for dim, placement in enumerate(placements):
            if placement.is_shard():
                dist.all_reduce(total, group=mesh.get_group(dim))
        squares += float(total)
    return math.sqrt(squares)


def _local(x: Any) -> Tensor:
    return x.to_local() if is_sharded(x) else x
