"""A network and data for tests of objectives."""

import torch
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def data(n: int = 10) -> Batch:
    g = torch.Generator().manual_seed(1)
    x, y = (torch.randn(n, width, generator=g, dtype=torch.float64) for width in (3, 2))
    return x, y
