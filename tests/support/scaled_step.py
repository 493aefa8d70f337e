"""An optimizer whose step needs an attribute of its own, as those of other packages do."""

from collections.abc import Callable, Iterable
from typing import final

import torch
from torch import Tensor
from torch.optim import Optimizer
from typing_extensions import override


@final
class Scaled(Optimizer):
    """Gradient descent, with a factor that is no option of a group."""

    def __init__(self, params: Iterable[Tensor], lr: float, strength: float = 1.0) -> None:
        super().__init__(params, {"lr": lr})
        self.strength = strength

    @override
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        with torch.enable_grad():
            loss = None if closure is None else closure()
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.sub_(p.grad, alpha=group["lr"] * self.strength)
        return loss
