"""Radii that change: the edge stays where it was put, on the filter of the real optimizer."""

import math
from typing import Any

import pytest
import torch

from passband import filter_of, optim

KINDS: dict[str, Any] = {
    "usam": optim.USAM,
    "two-step": lambda p, lr, rho, **options: optim.USAM(p, lr, rho, steps=2, **options),
    "hessian": optim.HessianUSAM,
}


def weights() -> list[torch.Tensor]:
    return [torch.ones(2, requires_grad=True)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("decay", ["coupled", "loss", "decoupled"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_the_edge_stays_while_lr_changes(kind: str, decay: str, *, nesterov: bool) -> None:
    optimizer = KINDS[kind](
        weights(), 0.1, 0.0, momentum=0.8, nesterov=nesterov, weight_decay=0.3, decay=decay
    )
    fixed = optim.FixedEdge(optimizer, edge=7.0)

    for lr in (0.1, 0.05, 0.12, 1e-3):
        optimizer.param_groups[0]["lr"] = lr
        fixed.step()
        assert filter_of(optimizer).edge == pytest.approx(7.0, rel=1e-9)


def test_around_sgd_too() -> None:
    base = torch.optim.SGD(weights(), lr=0.1, momentum=0.8, weight_decay=0.3)
    optimizer = optim.SharpnessAware(base, rho=0.0, steps=3)

    optim.FixedEdge(optimizer, edge=7.0)

    assert filter_of(optimizer).edge == pytest.approx(7.0, rel=1e-9)


def test_where_the_rate_is_too_large_or_small() -> None:
    optimizer = optim.USAM(weights(), 0.1, 0.0)
    fixed = optim.FixedEdge(optimizer, edge=30.0, max_rho=0.01)
    (group,) = optimizer.param_groups

    assert group["rho"] == 0.0  # SGD's own edge is 20
    group["lr"] = 1e-4
    fixed.step()
    assert group["rho"] == 0.01
    group["lr"] = 0.0
    fixed.step()
    assert group["rho"] == 0.01


def test_a_schedule_goes_on_from_a_checkpoint() -> None:
    optimizer = optim.SharpnessAware(torch.optim.AdamW(weights()), rho=0.0)
    schedule = optim.RhoSchedule(optimizer, lambda step: 0.1 * step)
    for _ in range(3):
        schedule.step()
    saved = schedule.state_dict()

    other = optim.SharpnessAware(torch.optim.AdamW(weights()), rho=0.0)
    again = optim.RhoSchedule(other, lambda step: 0.1 * step)
    again.load_state_dict(saved)

    assert other.param_groups[0]["ascent_rho"] == optimizer.param_groups[0]["ascent_rho"] == 0.1 * 3


@pytest.mark.parametrize("edge", [0.0, -1.0, math.nan, math.inf])
def test_bad_edges_are_refused(edge: float) -> None:
    with pytest.raises(ValueError, match="`edge`"):
        optim.FixedEdge(optim.USAM(weights(), 0.1, 0.0), edge=edge)


def test_other_edges_have_another_form() -> None:
    with pytest.raises(TypeError, match="another form"):
        optim.FixedEdge(optim.SAM(weights(), 0.1, 0.1), edge=1.0)
