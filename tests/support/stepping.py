"""What a real optimizer does on one quadratic: the independent truth of every passband."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def growth(make: Callable[[list[Tensor]], Any], lam: float, *, steps: int = 800) -> float:
    """Return the factor a step by which an optimizer's error on ``½ λ θ²`` grows in the long run.

    Largest errors of two windows are compared, because momentum oscillates. Double precision; a
    method that is not linear should be started where its filter holds.
    """
    theta = torch.ones((), dtype=torch.float64, requires_grad=True)
    optimizer = make([theta])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = 0.5 * lam * theta**2
        loss.backward()
        return loss

    sizes: list[float] = []
    for _ in range(steps):
        optimizer.step(closure)
        sizes.append(abs(theta.item()))
    window = steps // 4
    early, late = max(sizes[window : 2 * window]), max(sizes[-window:])
    return (late / early) ** (1 / (2 * window))
