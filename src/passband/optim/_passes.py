"""What the evaluations away from the weights must not leave behind, and what they share."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """How the passes of one step are run.

    Attributes:
        model: Whose buffers are counted once: batch-norm statistics and the like are those of the
            first pass, at the weights themselves.
        same_randomness: Every pass of a step draws the same dropout masks.
        no_sync: Makes a context in which gradients are not averaged over processes.
        before_descent: Called with the weights back and the gradient that counts in ``p.grad``:
            the place for clipping.
    """

    model: nn.Module | None = None
    same_randomness: bool = False
    no_sync: Callable[[], AbstractContextManager[Any]] | None = None
    before_descent: Callable[[], object] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "Passes":
        """A copy of an optimizer has no model of its own."""
        return Passes()

    @property
    def are_local(self) -> bool:
        """Whether processes climb on their own."""
        return self.no_sync is not None

    def synchronized(self, *, last: bool) -> AbstractContextManager[Any]:
        """Return the context of one pass; only the last one talks to other processes."""
        return nullcontext() if last or self.no_sync is None else self.no_sync()

    def buffers(self) -> list[tuple[Tensor, Tensor]]:
        """Return the buffers of the model, each with a copy."""
        return [] if self.model is None else [(b, b.clone()) for b in self.model.buffers()]

    @contextmanager
    def uphill(self) -> Generator[None]:
        """Put the buffers of the model back afterwards, bit for bit, whatever happens."""
        saved = self.buffers()
        try:
            yield
        finally:
            put_back(saved)


@torch.no_grad()
def put_back(saved: list[tuple[Tensor, Tensor]]) -> None:
    """Give buffers the values of their copies."""
    for buffer, before in saved:
        buffer.copy_(before)


@final
class Randomness:
    """The state of torch's generators on the devices of some tensors."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self._devices = {t.device for t in tensors if t.device.type == "cuda"}
        self._cpu = torch.get_rng_state()
        self._cuda = {device: torch.cuda.get_rng_state(device) for device in self._devices}

    def again(self) -> None:
        """Go back to it."""
        torch.set_rng_state(self._cpu)
        for device, state in self._cuda.items():
            torch.cuda.set_rng_state(state, device)
