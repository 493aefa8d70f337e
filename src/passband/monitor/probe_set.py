"""What probes are made on, and what is kept away from them."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


def probe_set(data: Any, samples: int | None, seed: int) -> Any:
    """Return the data of the probes: all, or some drawn once from a pair of tensors."""
    if samples is None:
        return data
    if not samples >= 1:
        raise ValueError(f"`samples` must be 1 or more; got {samples!r}.")
    if not is_pair(data):
        raise ValueError("`samples` needs data as a pair of tensors; got something else.")
    x, y = data
    chosen = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:samples]
    return x[chosen.to(x.device)], y[chosen.to(y.device)]


def is_pair(data: Any) -> bool:
    """Whether data are inputs and targets as two tensors."""
    return isinstance(data, tuple) and len(data) == 2 and all(isinstance(d, Tensor) for d in data)


def out_of_memory(error: Exception) -> bool:
    """Whether smaller batches might help."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "memory" in str(error).lower()
    )


@contextmanager
def plain() -> Generator[None]:
    """Keep gradient mode and autocast of the training loop away from the probe."""
    with torch.enable_grad(), torch.autocast("cpu", enabled=False):
        if not torch.cuda.is_available():
            yield
            return
        with torch.autocast("cuda", enabled=False):
            yield
