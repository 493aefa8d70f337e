"""Float32 copies behind weights in half precision, so that small moves are not rounded away."""

from collections.abc import Iterable
from typing import Any, cast, final

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from passband.optim._checked import Closure

_HALF = {torch.bfloat16, torch.float16}


@final
class Shadow:
    """Float32 weights behind a model that computes in bfloat16 or float16.

    The optimizer moves the copies, and the model sees them rounded. A move smaller than the
    spacing of the weights then changes some of them and not others, by the right amount on
    average, where without copies it changes none. Gradients are the model's, so they keep its
    precision.

    It costs 4 bytes a weight for the copies and 4 for their gradients while a step lasts, and no
    gradient evaluation.

    Args:
        params: Parameters, named parameters or parameter groups, as optimizers take them.
            Those that are not in half precision stay as they are.

    Attributes:
        params: The same with copies instead: what the optimizer is given.

    Raises:
        ValueError: No parameter is in half precision.

    Example:
        Eight steps of 2⁻¹⁰ from 1, where numbers in bfloat16 are 2⁻⁷ apart, end at 1 − 2⁻⁷.

        >>> import torch
        >>> w = torch.ones(1, dtype=torch.bfloat16, requires_grad=True)
        >>> shadow = Shadow([w])
        >>> optimizer = torch.optim.SGD(shadow.params, lr=2**-10)
        >>> def closure():
        ...     loss = w.sum()
        ...     loss.backward()
        ...     return loss
        >>> for _ in range(8):
        ...     loss = shadow.step(optimizer, closure)
        >>> w.item() == 1 - 2**-7
        True
    """

    params: ParamsT

    def __init__(self, params: ParamsT) -> None:
        self._copies: dict[Tensor, Tensor] = {}
        self._others: list[Tensor] = []
        self.params = cast("ParamsT", [self._shadowed(entry) for entry in params])
        if not self._copies:
            raise ValueError(
                "`Shadow` keeps float32 copies of bfloat16 and float16 parameters; none of these "
                "is one. Give the parameters themselves to the optimizer."
            )

    def step(
        self, optimizer: Optimizer, closure: Closure, *, scaler: GradScaler | None = None
    ) -> Tensor | None:
        """Take one step of ``optimizer``, which holds `params`, and round the result.

        Whatever is raised, the model's weights are those before the step, bit for bit, if the
        optimizer's are.

        Args:
            optimizer: Ours or torch's.
            closure: Computes the model's loss, calls ``loss.backward()``, returns the loss.
                Gradients are cleared before it.
            scaler: As in our optimizers' ``step``.

        Returns:
            What the optimizer's step returns.
        """

        def evaluated() -> Tensor:
            self.publish()
            for p in (*self._copies, *self._others):
                p.grad = None
            loss = closure()
            self.collect()
            return loss

        self._adopt()
        step = cast("Any", optimizer.step)
        try:
            return step(evaluated) if scaler is None else step(evaluated, scaler=scaler)
        finally:
            self.publish()

    @torch.no_grad()
    def publish(self) -> None:
        """Round the copies into the model's weights."""
        for p, copy in self._copies.items():
            p.copy_(copy)
        torch.clear_autocast_cache()

    @torch.no_grad()
    def collect(self) -> None:
        """Move the model's gradients to the copies."""
        for p, copy in self._copies.items():
            copy.requires_grad_(p.requires_grad)
            copy.grad = None if p.grad is None else p.grad.to(torch.float32)
            p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return the copies; a checkpoint needs them beside the model and the optimizer."""
        return {"copies": [copy.detach().clone() for copy in self._copies.values()]}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take copies from a checkpoint and round them into the model.

        Raises:
            ValueError: They are not the copies of these parameters.
        """
        saved: list[Tensor] = state_dict["copies"]
        shapes, wanted = [s.shape for s in saved], [p.shape for p in self._copies]
        if shapes != wanted:
            raise ValueError(
                f"the checkpoint holds copies of shapes {[tuple(s) for s in shapes]}; these "
                f"parameters have {[tuple(s) for s in wanted]}. Make the shadow from the same "
                "parameters in the same order."
            )
        for copy, value in zip(self._copies.values(), saved, strict=True):
            copy.copy_(value)
        self.publish()

    @torch.no_grad()
    def _adopt(self) -> None:
        """Take over weights that somebody else has changed, from a checkpoint, say."""
        for p, copy in self._copies.items():
            copy.requires_grad_(p.requires_grad)
            same = copy.to(p.dtype) == p
            if not same.all():
                copy.copy_(torch.where(same, copy, p.to(torch.float32)))

    def _shadowed(self, entry: Any) -> Any:
        """Return a parameter, a named one or a group with copies in place of half precision."""
        if isinstance(entry, Tensor):
            return self._copy(entry)
        if isinstance(entry, dict):
            group = cast("dict[str, Any]", entry)
            inside = group["params"]
            several: Iterable[Any] = [inside] if isinstance(inside, Tensor) else inside
            return {**group, "params": [self._shadowed(one) for one in several]}
        name, p = entry
        return name, self._copy(p)

    def _copy(self, p: Tensor) -> Tensor:
        if p.dtype not in _HALF:
            self._others.append(p)
            return p
        copy = nn.Parameter(p.detach().to(torch.float32), requires_grad=p.requires_grad)
        self._copies[p] = copy
        return copy
