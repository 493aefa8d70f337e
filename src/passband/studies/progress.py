"""What decides how a training goes on: weights, optimizer, random numbers, and what was seen."""

from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import nn

from passband.studies.checkpoints import Checkpoints, State


@final
@dataclass
class Progress:
    """A training that can be continued bit by bit, whatever its loop is.

    Args:
        model: Its parameters and buffers are kept.
        optimizer: Its state is kept.
        generator: Draws the batches; None where nothing is drawn.
        log: All that the loop itself knows: numbers, lists, tensors.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator | None = None
    log: dict[str, Any] = field(default_factory=dict[str, Any])

    def state(self) -> State:
        """Return everything there is to know."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": None if self.generator is None else self.generator.get_state(),
            "log": self.log,
        }

    def resume(self, checkpoints: Checkpoints) -> bool:
        """Take over the latest checkpoint; return whether there was one."""
        state = checkpoints.load()
        if state is None:
            return False
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.generator is not None:
            self.generator.set_state(state["generator"])
        self.log = state["log"]
        return True

    def offer(self, checkpoints: Checkpoints, *, last: bool = False) -> None:
        """Keep a checkpoint if it is time."""
        checkpoints.offer(self.state, last=last)
