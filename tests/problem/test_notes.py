"""What is added to errors of the user's model and loss: what they were given."""

# pyright: reportArgumentType=false
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from passband.problem import Objective


def test_a_model_or_loss_that_fails_says_on_what() -> None:
    model = nn.Linear(2, 1)
    x, y = torch.ones(3, 2), torch.ones(3, 1)

    with pytest.raises(RuntimeError) as wide:
        Objective(model, functional.mse_loss, (x.double(), y)).value_and_gradient()
    with pytest.raises(Exception) as classes:  # noqa: PT011 - torch's own, of whatever kind
        Objective(model, functional.cross_entropy, (x, y.long()[:, 0] + 5)).value_and_gradient()
    with pytest.raises(TypeError) as swapped:
        Objective(model, lambda m, b: m(b[0]).mean(), (x, y)).value_and_gradient()

    assert "torch.float64 of shape (3, 2)" in wide.value.__notes__[0]
    assert "the weights are torch.float32" in wide.value.__notes__[0]
    assert (
        "torch.float32 of shape (3, 1) on cpu, and torch.int64 of shape (3,)"
        in classes.value.__notes__[0]
    )
    assert 'takes="model, batch"' in swapped.value.__notes__[0]


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    @override
    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        return self.linear(x), 1


def test_a_note_says_what_is_wrong_and_not_what_might_be() -> None:
    x, y = torch.ones(6, 3), torch.zeros(6, 2)

    with pytest.raises(AttributeError) as apart:
        Objective(Pair(), functional.mse_loss, (x, y))
    with pytest.raises(RuntimeError) as shapes:
        Objective(nn.Linear(3, 2), functional.cross_entropy, (x, y[:, :1].long()))

    assert "takes out what it needs" in apart.value.__notes__[-1]
    assert "torch.int64 of shape (6, 1)" in shapes.value.__notes__[-1]
    assert "name its first argument" not in shapes.value.__notes__[-1]
