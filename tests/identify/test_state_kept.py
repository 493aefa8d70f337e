"""The vectors that a filter says are kept are those that its optimizer keeps."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from ours import of_ours
from torch import Tensor

import passband as pb
from passband import filters, optim

MAKE: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1),
    "SGD, momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "NAdam": torch.optim.NAdam,
    "RMSprop": torch.optim.RMSprop,
    "USAM": lambda p: optim.USAM(p, lr=0.1, rho=0.1),
    "USAM, momentum": lambda p: optim.USAM(p, lr=0.1, rho=0.1, momentum=0.9),
    "HessianUSAM, momentum": lambda p: optim.HessianUSAM(p, lr=0.1, rho=0.1, momentum=0.9),
    "SAM, momentum": lambda p: optim.SAM(p, lr=0.1, rho=0.1, momentum=0.9),
    "DerivativeSGD": lambda p: optim.DerivativeSGD(p, lr=0.1, strength=0.1),
    "DerivativeSGD, momentum": lambda p: optim.DerivativeSGD(p, lr=0.1, strength=0.1, momentum=0.9),
    "SecantSGD": lambda p: optim.SecantSGD(p, lr=0.1, strength=0.1),
    "SecantSGD, momentum": lambda p: optim.SecantSGD(p, lr=0.1, strength=0.1, momentum=0.9),
    "ExtrapolatedSGD": lambda p: optim.ExtrapolatedSGD(p, lr=0.1, momentum=0.9, extrapolation=2.0),
}


def test_every_optimizer_is_counted_here() -> None:
    p = torch.ones(1, requires_grad=True)
    missing = of_ours() - {type(make([p])) for make in MAKE.values()} - {optim.SharpnessAware}
    assert not missing, f"add {missing} to MAKE in tests/identify/test_state_kept.py"


@pytest.mark.parametrize("name", MAKE)
def test_vectors_kept_are_counted(name: str) -> None:
    p = torch.ones(7, requires_grad=True)
    optimizer = MAKE[name]([p])

    def closure() -> Tensor:
        loss = p.square().sum()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.zero_grad()
        optimizer.step(closure)

    kept = [v for v in optimizer.state[p].values() if isinstance(v, Tensor) and v.shape == p.shape]
    assert pb.filter_of(optimizer, gradient_norm=1.0).memory == len(kept)


def test_wrappers_keep_one_more() -> None:
    base = filters.SGD(lr=0.1, momentum=0.9)

    assert filters.Lookahead(base, k=3, alpha=0.5).memory == 2
    assert filters.WeightAverage(base, decay=0.9).memory == 2
