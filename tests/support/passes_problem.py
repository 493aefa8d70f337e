"""Small models whose buffers, masks and scalers show how often they were run."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def ones() -> Tensor:
    return torch.ones(3, dtype=torch.float64, requires_grad=True)


def batch_norm_model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 1)).double()


DATA = torch.linspace(-1, 1, 32).double().view(8, 4)


def closure_of(model: nn.Module) -> Callable[[], Tensor]:
    def closure() -> Tensor:
        loss = (model(DATA) ** 2).mean()
        loss.backward()
        return loss

    return closure
