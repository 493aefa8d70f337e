"""Arithmetic on lists of tensors, one kernel for all of them where torch has it.

``foreach=False`` goes tensor by tensor; anything else leaves it to ``torch._foreach_*``, which
falls back to a loop of its own where devices or dtypes are mixed.
"""

# pyright: reportPrivateImportUsage=false

import math
from collections import defaultdict

import torch
from torch import (
    Tensor,
    _foreach_add,
    _foreach_add_,
    _foreach_copy_,
    _foreach_div_,
    _foreach_mul_,
    _foreach_norm,
)

from passband.optim._sharded import is_sharded, shards, whole_norm

Tensors = list[Tensor]


def add_(xs: Tensors, ys: Tensors, *, alpha: float = 1, foreach: bool | None = None) -> None:
    """``x ← x + alpha y``."""
    xs, ys = shards(xs), shards(ys)
    if foreach is not False and not any(y.is_sparse for y in ys):
        _foreach_add_(xs, ys, alpha=alpha)
        return
    for x, y in zip(xs, ys, strict=True):
        x.add_(y, alpha=alpha)


def add(xs: Tensors, ys: Tensors, *, alpha: float = 1, foreach: bool | None = None) -> list[Tensor]:
    """Return ``x + alpha y``, dense if either is."""
    xs = [
        x.to_dense() if x.is_sparse and not y.is_sparse else x for x, y in zip(xs, ys, strict=True)
    ]
    if foreach is not False and not any(y.is_sparse for y in ys):
        return list(_foreach_add(xs, ys, alpha=alpha))
    return [x.add(y, alpha=alpha) for x, y in zip(xs, ys, strict=True)]


def scale_(xs: Tensors, factor: float, *, foreach: bool | None = None) -> None:
    """``x ← factor x``."""
    if foreach is not False:
        _foreach_mul_(xs, factor)
        return
    for x in xs:
        x.mul_(factor)


def multiply_(xs: Tensors, ys: Tensors, *, foreach: bool | None = None) -> None:
    """``x ← x y``, elementwise."""
    if foreach is not False:
        _foreach_mul_(xs, ys)
        return
    for x, y in zip(xs, ys, strict=True):
        x.mul_(y)


def divide_(xs: Tensors, number: float, *, foreach: bool | None = None) -> None:
    """``x ← x / number``."""
    if foreach is not False:
        _foreach_div_(xs, number)
        return
    for x in xs:
        x.div_(number)


def copy_(xs: Tensors, ys: Tensors) -> None:
    """``x ← y``, in one call that no interrupt can split."""
    if xs:
        _foreach_copy_(shards(xs), shards(ys))


def all_finite(xs: Tensors) -> bool:
    """Whether no entry is infinite or NaN, on any process. It waits for the device once."""
    if math.isfinite(math.hypot(*_norms(xs))):  # many times faster than looking at every entry
        return True
    if any(map(is_sharded, xs)):
        return False  # their squares do not overflow
    return all(bool(_values(x).isfinite().all()) for x in xs)  # the squares may have overflowed


def norm(xs: Tensors) -> float:
    """Return the Euclidean norm of all entries together, also where their squares do not fit."""
    length = math.hypot(*_norms(xs))
    if 1e-15 < length < 1e15 or any(map(is_sharded, xs)):
        return length
    return math.hypot(*(torch.linalg.vector_norm(_values(x).cpu().double()).item() for x in xs))


def _norms(xs: Tensors) -> list[float]:
    kinds: dict[tuple[torch.device, torch.dtype], list[Tensor]] = defaultdict(list)
    for x in xs:
        if not is_sharded(x):
            kinds[x.device, x.dtype].append(_values(x))
    if any(map(is_sharded, xs)):
        norms = [whole_norm([x for x in xs if is_sharded(x)])]
    else:
        norms = list[float]()
    for (_, dtype), tensors in kinds.items():
        wide = torch.promote_types(dtype, torch.float32)  # squares overflow early in half precision
        norms += torch.stack(list(_foreach_norm(tensors, 2, dtype=wide))).tolist()
    return norms


def _values(x: Tensor) -> Tensor:
    """Return the entries that may not be zero."""
    return x.coalesce().values() if x.is_sparse else x


def dense(x: Tensor) -> Tensor:
    """Return a tensor with all its zeros."""
    return x.to_dense() if x.is_sparse else x
