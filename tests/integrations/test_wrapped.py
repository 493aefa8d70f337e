"""Optimizers in the wrappers of trainers are judged as those inside."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import passband as pb
from passband import optim

LOSS = nn.functional.mse_loss


def accelerate(optimizer: Any, model: nn.Module) -> Any:  # noqa: ARG001
    return pytest.importorskip("accelerate").Accelerator(cpu=True).prepare(optimizer)


def lightning(optimizer: Any, model: nn.Module) -> Any:  # noqa: ARG001
    return pytest.importorskip("lightning.pytorch.core.optimizer").LightningOptimizer(optimizer)


def fabric(optimizer: Any, model: nn.Module) -> Any:
    made: Any = pytest.importorskip("lightning.fabric").Fabric(accelerator="cpu", devices=1)
    return made.setup(model, optimizer)[1]


def by_name(optimizer: Any, model: nn.Module) -> Any:
    """A wrapper of such a name, where no trainer is installed: Lightning makes its class so."""

    class LightningOptimizer:
        def __init__(self, inner: Any) -> None:
            vars(self).update(vars(inner))
            self.optimizer, self.trainer = inner, model
            made: Any = type("Lightning", (LightningOptimizer, type(inner)), {})
            self.__class__ = made

    return LightningOptimizer(optimizer)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wrap", [by_name, accelerate, lightning, fabric])
@pytest.mark.parametrize("kind", ["usam", "adamw"])
def test_wrapped_optimizers_are_those_inside(wrap: Callable[..., Any], kind: str) -> None:
    torch.manual_seed(0)
    model, x, y = nn.Linear(3, 1), torch.randn(32, 3), torch.randn(32, 1)
    inside: Any = (
        optim.USAM(model.parameters(), 0.1, 0.1, momentum=0.9)
        if kind == "usam"
        else torch.optim.AdamW(model.parameters(), lr=0.01)
    )
    LOSS(model(x), y).backward()
    if kind == "adamw":
        inside.step()
    wrapped = wrap(inside, model)

    assert pb.filter_of(wrapped) == pb.filter_of(inside)
    assert pb.inspect(model, LOSS, (x, y), wrapped).ratio == pytest.approx(
        pb.inspect(model, LOSS, (x, y), inside).ratio, rel=1e-6
    )
    assert pb.suggest(wrapped, 30.0).changes == pb.suggest(inside, 30.0).changes
    found = pb.doctor(model, wrapped, (x, y), loss=LOSS)
    assert [f.about for f in found.findings if f.severity == "problem"] == []
    with pb.Monitor(model, LOSS, (x, y), wrapped, every=1, log=None) as monitor:
        monitor.step()
    assert monitor.probes[0].edge == pytest.approx(pb.filter_of(inside).edge)
