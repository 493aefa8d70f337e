"""A climb that the user's own loop drives: where it started, how far it is, how to come back."""

from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from passband.optim._lists import copy_
from passband.optim._passes import Passes, put_back


@final
@dataclass(slots=True)
class Trail:
    """The weights at which a climb started, and where it has come to.

    Attributes:
        params: What moves.
        start: Their values before the climb.
        taken: Ascents so far.
        away: Whether the parameters are displaced now.
        lost: Whether a way up was not finite, so that the step does not count.
        scaled: Whether a gradient scaler decides on the step, and may leave it out.
        reached: Values to go on from, where the next ascent starts after a return.
        buffers: Buffers of the model with their values before it is run away from the weights.
    """

    params: list[Tensor]
    start: list[Tensor] = field(init=False)
    taken: int = 0
    away: bool = False
    lost: bool = False
    scaled: bool = False
    reached: list[Tensor] | None = None
    buffers: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start = [p.clone() for p in self.params]

    @torch.no_grad()
    def go_on(self, passes: Passes) -> None:
        """Go where the last ascent ended; the model's buffers of now are put back on return."""
        if not self.away:
            self.away, self.buffers = True, passes.buffers()
        if self.reached is not None:
            copy_(self.params, self.reached)
            self.reached = None

    @torch.no_grad()
    def come_back(self, *, keep: bool = False) -> None:
        """Put the parameters back, bit for bit; ``keep`` remembers where they were."""
        if not self.away:
            return
        if keep:
            self.reached = [p.clone() for p in self.params]
        copy_(self.params, self.start)
        put_back(self.buffers)
        torch.clear_autocast_cache()  # it may hold copies of the perturbed weights
        self.away = False
