"""`filter_of` reads known optimizers in closed form."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import passband as pb
from passband import filters, optim
from passband.errors import FilterWarning, NotAFilterError
from passband.filters.measured import Measured


def weights() -> list[torch.Tensor]:
    return [torch.zeros(2, requires_grad=True)]


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (torch.optim.SGD(weights(), lr=0.1), filters.SGD(lr=0.1)),
        (
            torch.optim.SGD(weights(), lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01),
            filters.SGD(lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01),
        ),
        (
            torch.optim.SGD(weights(), lr=0.1, momentum=0.9, nesterov=True),
            filters.SGD(lr=0.1, momentum=0.9, nesterov=True),
        ),
        (
            optim.USAM(weights(), lr=0.1, rho=0.2, steps=3, momentum=0.5, weight_decay=0.1),
            filters.USAM(lr=0.1, rho=0.2, steps=3, momentum=0.5, weight_decay=0.1),
        ),
        (
            optim.USAM(weights(), lr=0.1, rho=0.2, weight_decay=0.1, decay="decoupled"),
            filters.USAM(lr=0.1, rho=0.2, weight_decay=0.1, decay="decoupled"),
        ),
        (
            optim.HessianUSAM(weights(), lr=0.1, rho=0.2, momentum=0.5, nesterov=True),
            filters.HessianUSAM(lr=0.1, rho=0.2, momentum=0.5, nesterov=True),
        ),
        (
            optim.SharpnessAware(
                torch.optim.SGD(weights(), lr=0.1, momentum=0.5), rho=0.2, steps=2
            ),
            filters.USAM(lr=0.1, rho=0.2, steps=2, momentum=0.5),
        ),
        (
            optim.DerivativeSGD(weights(), lr=0.1, strength=0.2, momentum=0.5),
            filters.DerivativeAction(lr=0.1, strength=0.2, momentum=0.5),
        ),
        (
            optim.SecantSGD(weights(), lr=0.1, strength=0.2),
            filters.Secant(lr=0.1, strength=0.2),
        ),
        (
            optim.ExtrapolatedSGD(weights(), lr=0.1, momentum=0.5, extrapolation=1.5),
            filters.ExtrapolatedNesterov(lr=0.1, momentum=0.5, extrapolation=1.5),
        ),
        (torch.optim.Adam(weights(), lr=1e-3), filters.Adam(lr=1e-3)),
        (
            torch.optim.AdamW(weights(), lr=1e-3, betas=(0.8, 0.99), weight_decay=0.2),
            filters.AdamW(lr=1e-3, betas=(0.8, 0.99), weight_decay=0.2),
        ),
        (torch.optim.NAdam(weights(), lr=1e-3), filters.NAdam(lr=1e-3)),
        (
            torch.optim.RMSprop(weights(), lr=0.1, momentum=0.5),
            filters.RMSprop(lr=0.1, momentum=0.5),
        ),
    ],
    ids=repr,
)
def test_reads_every_option(optimizer: torch.optim.Optimizer, expected: filters.Filter) -> None:
    assert pb.filter_of(optimizer) == expected


def test_one_gradient_optimizers_meet_the_edge_they_were_made_for() -> None:
    for optimizer in (
        optim.DerivativeSGD(weights(), lr=0.1, edge=7.0, momentum=0.9),
        optim.SecantSGD(weights(), lr=0.1, edge=7.0, momentum=0.9),
        optim.ExtrapolatedSGD(weights(), lr=0.1, edge=7.0, momentum=0.9),
    ):
        assert pb.filter_of(optimizer).edge == pytest.approx(7.0, rel=1e-7)


def test_a_wanted_edge_is_that_of_the_loss_whatever_the_weight_decay() -> None:
    optimizer = optim.DerivativeSGD(weights(), lr=0.1, edge=7.0, momentum=0.9, weight_decay=0.01)

    assert pb.filter_of(optimizer).edge == pytest.approx(7.0, rel=1e-12)


def test_a_subclass_may_step_differently_and_is_measured() -> None:
    class Mine(torch.optim.SGD):
        pass

    assert isinstance(pb.filter_of(Mine(weights(), lr=0.1)), Measured)


def test_dampening_without_momentum_is_ignored_as_in_torch() -> None:
    optimizer = torch.optim.SGD(weights(), lr=0.1, dampening=0.5)

    assert pb.filter_of(optimizer).edge == pytest.approx(20)


def test_follows_a_scheduler_and_the_group() -> None:
    groups: list[dict[str, Any]] = [{"params": weights()}, {"params": weights(), "lr": 0.5}]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    optimizer.param_groups[0]["lr"] = torch.tensor(0.2)  # what a tensor-valued schedule leaves

    edges = [pb.filter_of(optimizer, group).edge for group in (0, 1, -1)]

    assert_allclose(edges, [10, 4, 4], rtol=1e-7)


def test_groups_that_differ_are_told_where_none_is_named() -> None:
    groups: list[dict[str, Any]] = [
        {"params": weights(), "name": "a"},
        {"params": weights(), "name": "b", "lr": torch.tensor(0.5), "weight_decay": 0.2},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1)

    with pytest.warns(FilterWarning, match="differ in lr, weight_decay; this is the filter of the"):
        first = pb.filter_of(optimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pb.filter_of(optimizer, 0) == first
        for group in optimizer.param_groups:
            group |= {"lr": torch.tensor(0.1), "weight_decay": 0.0}
        assert pb.filter_of(optimizer).edge == pytest.approx(first.edge)


def test_sam_needs_the_gradient_norm_it_is_frozen_at() -> None:
    optimizer = optim.SAM(weights(), lr=0.04, rho=0.03, momentum=0.8)

    with pytest.raises(NotAFilterError, match="gradient_norm"):
        pb.filter_of(optimizer)
    frozen = pb.filter_of(optimizer, gradient_norm=0.5)

    assert frozen.edge == pytest.approx(31.282881080, abs=1e-8)


@pytest.mark.parametrize("lr", [0.0, float("nan")])
def test_an_optimizer_that_stands_still_is_told_so(lr: float) -> None:
    optimizer = torch.optim.SGD(weights(), lr=0.1)
    optimizer.param_groups[0]["lr"] = lr

    with pytest.raises(NotAFilterError, match="does not move now"):
        pb.filter_of(optimizer)


@pytest.mark.parametrize("name", ["SGD", "Adamax", "RAdam", "Adagrad"])
def test_refuses_what_maximizes_known_or_measured(name: str) -> None:
    with pytest.raises(NotAFilterError, match="maximizes"):
        pb.filter_of(getattr(torch.optim, name)(weights(), lr=0.1, maximize=True))


def test_refuses_groups_that_are_not_there() -> None:
    with pytest.raises(IndexError, match="1 parameter groups; got group=1"):
        pb.filter_of(torch.optim.SGD(weights(), lr=0.1), 1)


def test_the_filter_is_the_step_of_the_optimizer() -> None:
    lam, lr, rho = np.array([0.5, 3.0, 17.0]), 0.02, 0.1
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    curvature = torch.from_numpy(lam)
    optimizer = optim.USAM([x], lr=lr, rho=rho, steps=2)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (0.5 * curvature * x**2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)

    assert_allclose(
        x.detach().numpy(), pb.filter_of(optimizer).transition(lam)[:, 0, 0], rtol=1e-14
    )


@pytest.mark.parametrize("name", ["LBFGS", "Muon"])
def test_what_has_no_filter_says_why_at_once(name: str) -> None:
    kind = getattr(torch.optim, name, None)
    if kind is None:
        pytest.skip(f"this torch has no {name}")

    with pytest.raises(NotAFilterError, match=f"{name} has no M"):
        pb.filter_of(kind([torch.zeros(2, 2, requires_grad=True)], lr=0.1))


@pytest.mark.parametrize(
    ("name", "edge"),
    [
        ("SparseAdam", 2 * 1.9 / (0.1 * 0.1)),
        ("RAdam", 2 * 1.9 / (0.1 * 0.1)),  # Adam's, long after the start
        ("Adamax", 2 * 1.9 / (0.1 * 0.1)),
        ("Adagrad", 2 / 0.1),
    ],
)
def test_the_other_adaptive_ones_are_frozen(name: str, edge: float) -> None:
    found = pb.filter_of(getattr(torch.optim, name)(weights(), lr=0.1))

    assert_allclose(found.edge, edge, rtol=1e-6)
