"""Autograd's refusals, as this version of torch words them."""

# pyright: reportArgumentType=false
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from typing_extensions import override

from passband.errors import PassbandError
from passband.problem import Objective


class Reentrant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)

    @override
    def forward(self, x: Tensor) -> Tensor:
        hidden = checkpoint(self.second, self.first(x), use_reentrant=True)
        assert isinstance(hidden, Tensor)
        return hidden


def test_reentrant_checkpointing_is_explained() -> None:
    objective = Objective(Reentrant(), functional.mse_loss, (torch.ones(6, 3), torch.zeros(6, 2)))

    with pytest.raises(PassbandError, match=r"reentrant checkpointing .* use_reentrant=False"):
        objective.gradient()
