"""Weights for optimizers that are measured."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer

Make = Callable[[list[Tensor]], Optimizer]


def weights() -> list[Tensor]:
    return [torch.zeros(3, requires_grad=True), torch.zeros(2, 2, requires_grad=True)]
