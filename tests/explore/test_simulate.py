"""The simulation is what real optimizers do on quadratics."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from passband import filters, optim
from passband.explore.choices import NAMES, Knobs, chosen
from passband.explore.simulate import at_rest, losses, norms_of_powers

CURVATURES = np.array([3.0, 1.0, 0.2])
CASES: dict[str, tuple[filters.Filter, Callable[[list[Tensor]], torch.optim.Optimizer]]] = {
    "heavy ball": (
        filters.SGD(lr=0.2, momentum=0.8),
        lambda p: torch.optim.SGD(p, lr=0.2, momentum=0.8),
    ),
    "nesterov": (
        filters.SGD(lr=0.2, momentum=0.5, nesterov=True),
        lambda p: torch.optim.SGD(p, lr=0.2, momentum=0.5, nesterov=True),
    ),
    "diverging": (
        filters.SGD(lr=0.9, momentum=0.0),
        lambda p: torch.optim.SGD(p, lr=0.9),
    ),
    "two-step": (
        filters.USAM(lr=0.1, rho=0.2, steps=2, momentum=0.5),
        lambda p: optim.USAM(p, 0.1, 0.2, steps=2, momentum=0.5),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_losses_are_those_of_the_real_optimizer(name: str) -> None:
    filter, make = CASES[name]
    weights = torch.ones(3, dtype=torch.float64, requires_grad=True)
    optimizer, h = make([weights]), torch.tensor(CURVATURES)
    step: Callable[..., Any] = optimizer.step
    real: list[float] = []
    for _ in range(25):

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = (h * weights**2).sum() / 2
            loss.backward()
            return loss

        real.append(float((h * weights.detach() ** 2).sum() / 2))
        step(closure)

    assert losses(filter, CURVATURES, steps=24) == pytest.approx(real, rel=1e-10)


def test_every_filter_rests_at_distance_one() -> None:
    for filter in chosen(NAMES, Knobs(weight_decay=0.01))[0].values():
        state = at_rest(filter)
        assert state[0] == 1
        moved = filter.transition(0.0) @ state
        assert moved / moved[0] == pytest.approx(state, abs=1e-6)


def test_divergence_ends_in_a_number() -> None:
    curve = losses(filters.SGD(lr=100.0), np.array([10.0]), steps=2000)
    assert np.isfinite(curve).all()
    assert curve[-1] == 1e12 * curve[0]
    powers = norms_of_powers(filters.SGD(lr=1.0), 1e6, steps=500)
    assert np.isfinite(powers).all()


def test_powers_peak_where_overshoot_says() -> None:
    filter = filters.SGD(lr=1.0, momentum=0.9)
    lam = 0.5 * filter.edge
    expected = filter.overshoot(lam)
    powers = norms_of_powers(filter, lam, steps=400)
    assert powers.max() == pytest.approx(expected.peak, rel=1e-9)
    assert math.isfinite(expected.peak)
