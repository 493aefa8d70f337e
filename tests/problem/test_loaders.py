"""A loader that somebody else is reading stays where it is."""

# pyright: reportArgumentType=false
import multiprocessing

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from passband.problem import Objective

X, Y = torch.randn(10, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(10, 2)


@pytest.mark.slow
@pytest.mark.parametrize("kept_bytes", [2**30, 1], ids=["kept", "read again"])
def test_a_pass_in_mid_epoch_leaves_the_epoch_alone(
    monkeypatch: pytest.MonkeyPatch, kept_bytes: int
) -> None:
    monkeypatch.setattr("passband.problem.batches.KEPT_BYTES", kept_bytes)
    model = nn.Linear(3, 2)
    loader = DataLoader(
        TensorDataset(X, Y),
        batch_size=2,
        num_workers=1,
        persistent_workers=True,
        multiprocessing_context="fork",
    )
    value = Objective(model, functional.mse_loss, (X, Y)).value()

    epochs: list[list[torch.Tensor]] = [[], []]
    for epoch in epochs:
        for x, _ in loader:
            epoch.append(x)
            workers = set(multiprocessing.active_children())
            if len(epoch) == 2:
                measured = Objective(model, functional.mse_loss, loader).value()
                assert measured == pytest.approx(value, rel=1e-6)
                assert set(multiprocessing.active_children()) <= workers

    for epoch in epochs:
        assert torch.equal(torch.cat(epoch), X)
    assert loader.persistent_workers
