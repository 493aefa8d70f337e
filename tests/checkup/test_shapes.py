"""What the doctor says of outputs that do not fit their loss."""

import pytest
import torch
from examined import CROSS_ENTROPY, X, Y, found, sgd
from torch import nn


def test_outputs_and_targets_that_broadcast_are_found() -> None:
    model, y = nn.Linear(4, 1), torch.randn(8)
    mse = nn.functional.mse_loss

    with pytest.warns(UserWarning, match="target size"):
        broadcast = found(model, sgd(model), data=(X, y), loss=mse, spectrum=False)
    fits = found(model, sgd(model), data=(X, y[:, None]), loss=mse, spectrum=False)

    assert "broadcast to (8, 8)" in broadcast["shapes"]
    assert "shapes" not in fits


def test_probabilities_where_scores_are_meant_are_found() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(1))
    plain = nn.Linear(4, 3)

    double = found(model, sgd(model), data=(X, Y), loss=CROSS_ENTROPY, spectrum=False)
    right = found(plain, sgd(plain), data=(X, Y), loss=CROSS_ENTROPY, spectrum=False)

    assert "probabilities" in double["outputs"]
    assert "outputs" not in right
