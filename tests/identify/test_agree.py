"""What is read off an optimizer's options is what stepping it shows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from ours import of_ours
from torch.optim import Optimizer

import passband as pb
from passband import optim
from passband.filters.measured import Measured
from passband.identify import measure

MAKE: dict[type[Optimizer], Callable[[Any], Any]] = {
    optim.USAM: lambda p: optim.USAM(p, 0.1, 0.03, steps=2, momentum=0.8, weight_decay=0.3),
    optim.HessianUSAM: lambda p: optim.HessianUSAM(p, 0.1, 0.03, momentum=0.8, weight_decay=0.3),
    optim.DerivativeSGD: lambda p: optim.DerivativeSGD(
        p, 0.1, 0.07, momentum=0.8, weight_decay=0.3
    ),
    optim.ExtrapolatedSGD: lambda p: optim.ExtrapolatedSGD(p, 0.1, 0.8, 2.0, weight_decay=0.3),
    optim.SecantSGD: lambda p: optim.SecantSGD(p, 0.1, 0.07, momentum=0.8, weight_decay=0.3),
    optim.SharpnessAware: lambda p: optim.SharpnessAware(
        torch.optim.SGD(p, lr=0.1, momentum=0.8, weight_decay=0.3), rho=0.03, steps=2
    ),
}
"""Every optimizer of ours, no option at its default that changes the filter."""

HAVE_NO_FILTER = {optim.SAM}


def test_every_optimizer_is_compared_here() -> None:
    missing = of_ours() - set(MAKE) - HAVE_NO_FILTER

    assert not missing, f"add {missing} to MAKE in tests/identify/test_agree.py"


@pytest.mark.parametrize("kind", MAKE, ids=lambda kind: kind.__name__)
def test_known_and_measured_multipliers_agree(kind: type[Optimizer]) -> None:
    optimizer = MAKE[kind]([torch.zeros(3, requires_grad=True)])
    lam = np.array([0.3, 11.0, -20.0])

    known, measured = pb.filter_of(optimizer), measure(optimizer)

    assert not isinstance(known, Measured), f"{kind.__name__} has no line in identify/known.py"
    expected = [np.poly(M) for M in known.transition(lam)]
    found = [np.poly(M) for M in measured.transition(lam)]
    for one, other in zip(expected, found, strict=True):
        size = max(len(one), len(other))  # a slot that is never read adds a zero
        pad = [np.pad(p, (0, size - len(p))) for p in (one, other)]
        assert_allclose(pad[1], pad[0], rtol=1e-7, atol=1e-7 * np.abs(pad[0]).max())
