"""Networks, data and monitors for tests of the monitor."""

from typing import Any

import torch
from torch import nn

from passband.monitor import (
    Monitor,
)

MSE = nn.functional.mse_loss


X = torch.linspace(-1, 1, 60).view(20, 3)


Y = torch.stack([X.sum(1).sin(), X[:, 0] * X[:, 1]], dim=1)


def network(*middle: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), *middle, nn.Tanh(), nn.Linear(8, 2))


def quiet(*arguments: Any, **options: Any) -> Monitor:
    return Monitor(*arguments, **{"on_event": "silent", "log": None, **options})
