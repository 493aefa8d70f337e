"""Sequences, whose rows are moments and not samples."""

# pyright: reportArgumentType=false
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence
from typing_extensions import override

from passband.problem import Objective
from passband.problem.checks import original

X = torch.randn(5, 3, 2, generator=torch.Generator().manual_seed(0))  # (time, batch, features)
Y = torch.tensor([0, 1, 1])
PACKED = pack_padded_sequence(X, torch.tensor([5, 5, 5]))


class Last(nn.Module):
    """Classes from the last hidden state."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner, self.head = nn.RNN(2, 4), nn.Linear(4, 2)

    @override
    def forward(self, x: Any) -> Tensor:
        return self.head(self.inner(x)[1][0])


@pytest.mark.parametrize("x", [X, PACKED], ids=["time first", "packed"])
@pytest.mark.parametrize("loaded", [False, True])
def test_where_rows_are_no_samples_a_count_says_what_a_batch_is(x: Any, loaded: bool) -> None:
    model, batches = Last(), [(x, Y), (x, Y)]

    with pytest.raises(ValueError, match=r"`count=`, or write the loss as `loss\(model, batch\)`"):
        Objective(model, functional.cross_entropy, batches)
    objective = Objective(
        model,
        functional.cross_entropy,
        iter(batches) if loaded else batches,
        count=lambda batch: len(batch[1]),
    )

    assert objective.samples == 6
    assert objective.value() == pytest.approx(functional.cross_entropy(model(X), Y).item())


def test_loss_and_model_the_other_way_round_are_told_the_order() -> None:
    with pytest.raises(TypeError, match=r"got a function\. The order is \(model, loss, data\)"):
        original(functional.cross_entropy)
