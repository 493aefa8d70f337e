"""Edges of the optimizers of one gradient a step: reached, asked for, refused."""

import pytest
import torch
from remembering import ALL, Make, extrapolated

from passband.optim import SecantSGD


@ALL
def test_edge_is_settled_for_each_group(make: Make) -> None:
    a, b, c = (torch.ones(1, requires_grad=True) for _ in range(3))
    groups = [{"params": [a], "lr": 0.2}, {"params": [b]}, {"params": [c], "edge": 4.0}]

    optimizer = make(groups, 0.1, 0.5, edge=5.0)

    for group, edge in zip(optimizer.param_groups, [5.0, 5.0, 4.0], strict=True):
        classical = 3 / group["lr"]
        if make is extrapolated:
            found = classical / (1 + 2 * group["extrapolation"])
        else:
            found = classical / (1 + classical * group["strength"])
        assert found == pytest.approx(edge, rel=1e-14)
        assert "edge" not in group


@ALL
@pytest.mark.parametrize("edge", [30.0, 31.0, 0.0, -1.0, float("nan"), float("inf")])
def test_an_unreachable_edge_is_refused(make: Make, edge: float) -> None:
    with pytest.raises(ValueError, match="`edge` must be"):
        make([torch.ones(1, requires_grad=True)], 0.1, 0.5, edge=edge)


@ALL
@pytest.mark.parametrize("options", [{}, {"edge": 1.0, "strength": 1.0}], ids=str)
def test_exactly_one_of_option_and_edge_is_needed(make: Make, options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"needs exactly one of .* got (both|neither)\. Without"):
        make([torch.ones(1, requires_grad=True)], 0.1, 0.5, **options)


@ALL
def test_an_edge_that_is_set_later_is_refused_and_the_group_stays(make: Make) -> None:
    p = torch.ones(1, requires_grad=True)
    optimizer = make([p], 0.1, 0.5, edge=5.0)
    (p**2).sum().backward()
    group = optimizer.param_groups[0]
    group["edge"] = 4.0
    before = dict(group)

    with pytest.raises(ValueError, match=r"`edge` is settled .* got 4\.0 later"):
        optimizer.step()

    assert group == before
    assert float(p.detach()) == 1.0


def test_the_secant_has_no_edge_formula_above_091() -> None:
    p = torch.ones(1, requires_grad=True)

    SecantSGD([p], 0.1, 0.05, momentum=0.95)
    with pytest.raises(ValueError, match=r"needs `momentum <= 0\.91`.*DerivativeSGD"):
        SecantSGD([p], 0.1, edge=1.0, momentum=0.95)
