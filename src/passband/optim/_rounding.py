"""How much of a displacement survives when weights are kept in half precision."""

import torch
from torch import Tensor

from passband.optim._lists import dense


def moved_share(params: list[Tensor], way: list[Tensor], alpha: float) -> float | None:
    """Return the share of entries that ``p + alpha way`` changes, of those that it should.

    Only parameters in half precision count; None if there are none, or none should move.
    """
    moved = wanted = 0
    for p, v in zip(params, way, strict=True):
        if p.dtype in {torch.bfloat16, torch.float16}:
            should = dense(v) != 0
            wanted += int(should.sum())
            moved += int(((p.add(v, alpha=alpha) != p) & should).sum())
    return moved / wanted if wanted else None
