"""Suggestions: the option they name has the edge they promise, on the real optimizer."""

import math
from inspect import unwrap
from typing import Any

import pytest
import torch
from scaled_step import Scaled
from torch import nn

import passband as pb
from passband import eigenvalues, filter_of, optim, suggest
from passband.errors import NotAFilterError
from passband.filters import SGD, Lookahead
from passband.operators import MatrixOperator


def weights() -> list[torch.Tensor]:
    return [torch.zeros(3, dtype=torch.float64, requires_grad=True)]


OPTIMIZERS = {
    "heavy ball": lambda: torch.optim.SGD(weights(), lr=0.1, momentum=0.9, weight_decay=0.01),
    "two-step": lambda: optim.USAM(weights(), 0.1, 0.02, steps=2, momentum=0.5),
    "hessian": lambda: optim.HessianUSAM(weights(), 0.1, 0.02),
    "derivative": lambda: optim.DerivativeSGD(weights(), 0.1, 0.1, weight_decay=0.1),
    "extrapolated": lambda: optim.ExtrapolatedSGD(weights(), 0.1, 0.5, 0.9),
    "adamw": lambda: torch.optim.AdamW(weights(), lr=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("ratio", [0.7, 1.5])
def test_each_change_has_the_wanted_edge(name: str, ratio: float) -> None:
    optimizer = OPTIMIZERS[name]()
    sharpness = 0.8 * filter_of(optimizer).edge

    found = suggest(optimizer, sharpness, ratio=ratio)

    assert found.changes[-1].option == "lr"
    for change in found.changes:
        changed: Any = OPTIMIZERS[name]()
        changed.param_groups[0][change.option] = change.value
        assert filter_of(changed).edge == pytest.approx(sharpness / ratio, rel=1e-8)


def test_an_option_that_cannot_raise_the_edge_so_far_is_named() -> None:
    optimizer = optim.USAM(weights(), 0.1, 0.02)

    found = suggest(optimizer, 40.0)  # beyond SGD's edge of 20

    assert [change.option for change in found.changes] == ["lr"]
    assert "rho alone does not" in found.notes[0]
    assert "Lower `lr`" in str(found)


def test_an_optimizer_without_a_formula_is_measured_again() -> None:
    class Signed(torch.optim.SGD):
        """Another class with the same steps."""

    optimizer = Signed(weights(), lr=0.1, momentum=0.5)

    (change,) = suggest(optimizer, 15.0, ratio=0.5).changes

    assert change.value == pytest.approx(0.1, rel=1e-5)  # 2 (1 + 0.5) / 0.1 is 30
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_an_optimizer_with_attributes_of_its_own_is_measured_again() -> None:
    optimizer = Scaled(weights(), lr=0.1, strength=2.0)
    torch.optim.lr_scheduler.StepLR(optimizer, 1)  # puts a `step` on the instance

    (change,) = suggest(optimizer, 15.0, ratio=0.5).changes

    assert change.value == pytest.approx(1 / 30, rel=1e-5)  # 2 / (0.1 · 2) is 10


def test_takes_the_largest_value_of_a_spectrum_with_its_error() -> None:
    H = MatrixOperator(torch.diag(torch.tensor([-50.0, 4.0, 8.0]).double()), symmetric=True)

    found = suggest(SGD(lr=0.1), eigenvalues(H, k=3, which="magnitude"), ratio=0.8)

    assert found.sharpness == pytest.approx(8.0)
    assert found.changes[0].value == pytest.approx(0.2)


@pytest.mark.parametrize("sharpness", [0.0, -1.0, math.nan, math.inf])
def test_without_positive_curvature_there_is_nothing_to_suggest(sharpness: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        suggest(SGD(lr=0.1), sharpness)


def test_composites_and_impossible_ratios_are_refused() -> None:
    with pytest.raises(ValueError, match="`ratio`"):
        suggest(SGD(lr=0.1), 1.0, ratio=0.0)
    with pytest.raises(NotAFilterError, match="no option"):
        suggest(Lookahead(SGD(lr=0.1), k=2, alpha=0.5), 1.0)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
def test_groups_that_differ_are_changed_by_one_factor(kind: str) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(20, 3).double(), torch.randn(20, 1).double()
    model = nn.Linear(3, 1).double()
    groups = [{"params": [model.weight], "lr": 0.01}, {"params": [model.bias], "lr": 0.3}]
    optimizer = getattr(torch.optim, kind)(groups, weight_decay=0.0)
    mse = nn.functional.mse_loss
    for _ in range(3):
        optimizer.zero_grad()
        mse(model(x), y).backward()
        optimizer.step()
    verdict = pb.inspect(model, mse, (x, y), optimizer, rtol=1e-9)

    found = pb.suggest(optimizer, verdict, ratio=0.8, group=1)

    (change,) = [change for change in found.changes if change.option == "lr"]
    assert found.edge == verdict.edge
    assert change.now == 0.3
    for group in optimizer.param_groups:
        group["lr"] *= change.value / change.now
    assert "multiply the lr of every group by" in str(found)
    ratio = pb.inspect(model, mse, (x, y), optimizer, rtol=1e-9).ratio
    assert ratio == pytest.approx(0.8, rel=1e-6)
    assert "the edge of group 0 alone" in str(pb.suggest(optimizer, 1.0))


def test_what_is_no_sharpness_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"must be the verdict of `inspect`, a spectrum .* got 'sharp'"
    ):
        unwrap(suggest)(SGD(lr=0.1), "sharp")


def test_a_group_that_does_not_move_does_not_stop_the_others() -> None:
    groups = [{"params": weights(), "lr": 0.1}, {"params": weights(), "lr": 0.0}]
    found = suggest(torch.optim.SGD(groups), 40.0, ratio=0.8)

    assert found.changes[0].value == pytest.approx(0.04)
    assert "the edge of group 0 alone" in str(found)


def test_where_training_goes_on_the_values_are_for_now() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3))
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    data = torch.randn(16, 3), torch.randint(0, 3, (16,))
    far = pb.inspect(model, nn.functional.cross_entropy, data, sgd)
    rest = pb.judge(eigenvalues(MatrixOperator(torch.eye(3))), SGD(lr=0.1), gradient_norm=0.0)

    assert "not what to train with" in str(suggest(sgd, far))
    assert "not what to train with" not in str(suggest(sgd, rest))
