"""The random numbers of training stay where they are."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from passband.problem.batches import own_generators
from passband.problem.randomness import fixed_randomness


@contextmanager
def kept_randomness(model: nn.Module, data: Any) -> Generator[None]:
    """Seed the global generators inside, and put them and a loader's own back outside."""
    devices = {torch.device("cpu"), *(p.device for p in model.parameters())}
    own = own_generators(data)
    before = [g.get_state() for g in own]
    with ExitStack() as stack:
        for device in devices - {torch.device("meta")}:
            stack.enter_context(fixed_randomness(0, device))
        try:
            yield
        finally:
            for g, state in zip(own, before, strict=True):
                g.set_state(state)
