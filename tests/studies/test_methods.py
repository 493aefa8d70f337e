"""A method is the same optimizer as a filter and as a ``torch`` optimizer."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from passband.studies import FiltersAtWork, SixEdges
from passband.studies.methods import Method
from passband.studies.training import optimizer_of

CURVATURES = torch.tensor([0.5, 3.0, 8.0], dtype=torch.float64)
METHODS = [*SixEdges().methods, *FiltersAtWork().methods(0.0), *FiltersAtWork().methods(0.9)]


class Bowl(nn.Module):
    """``½ Σ λ x²``."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.ones_like(CURVATURES))

    def loss(self) -> torch.Tensor:
        return (CURVATURES * self.x**2).sum() / 2


@pytest.mark.parametrize("method", METHODS, ids=lambda m: f"{m.name} {m.momentum:g}")
def test_the_optimizer_does_what_the_filter_says(method: Method) -> None:
    bowl, method = Bowl(), replace(method, lr=0.1)
    optimizer = optimizer_of(method, bowl)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = bowl.loss()
        loss.backward()
        return loss

    step: Callable[..., Any] = optimizer.step
    for _ in range(5):
        step(closure)

    transition = method.filter().transition(CURVATURES.numpy())
    state = np.zeros((3, transition.shape[-1], 1))
    state[:, 0] = 1.0
    for _ in range(5):
        state = transition @ state
    np.testing.assert_allclose(bowl.x.detach().numpy(), state[:, 0, 0], rtol=1e-12, atol=1e-14)
