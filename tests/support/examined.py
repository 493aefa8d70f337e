"""A small training for the doctor, and its findings by name."""

from typing import Any

import torch
from torch import nn

import passband as pb

X, Y = torch.linspace(-1, 1, 32).view(8, 4), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
CROSS_ENTROPY = nn.functional.cross_entropy


def network(*middle: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), *middle, nn.Tanh(), nn.Linear(8, 3))


def sgd(model: nn.Module, lr: float = 0.1) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=lr)


def found(model: nn.Module, optimizer: Any, **options: Any) -> dict[str, str]:
    loss = options.pop("loss", CROSS_ENTROPY)
    data = options.pop("data", (X, Y))
    diagnosis = pb.doctor(model, optimizer, data, loss=loss, **options)
    return {f.about: f"{f.severity}: {f.what} {f.remedy}" for f in diagnosis.findings}
