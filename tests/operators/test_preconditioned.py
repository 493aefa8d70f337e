from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop, Rprop
from torch.testing import assert_close

from passband.operators import Hessian, PreconditionedHessian
from passband.problem import Objective


def problem() -> Objective:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2)).double()
    x, y = torch.randn(9, 3, dtype=torch.float64), torch.randn(9, 2, dtype=torch.float64)
    return Objective(model, functional.mse_loss, (x, y))


def step(objective: Objective, optimizer: Optimizer) -> torch.Tensor:
    """Take a step and return the ratio of minus the step and the gradient."""
    gradient, before = objective.gradient(), objective.theta
    for name, g in objective.split(gradient).items():
        objective.model.get_parameter(name).grad = g.clone()
    optimizer.step()
    return (before - objective.theta) / gradient


@pytest.mark.parametrize(
    ("kind", "options", "steps"),
    [
        (Adam, {"betas": (0.0, 0.9)}, 3),
        (Adam, {}, 1),
        (Adam, {"betas": (0.0, 0.9), "amsgrad": True, "eps": 1e-2}, 3),
        (AdamW, {"betas": (0.0, 0.9), "weight_decay": 0.0}, 3),
        (RMSprop, {}, 3),
        (RMSprop, {"centered": True}, 3),
        (Adagrad, {}, 3),
        (SGD, {}, 1),
    ],
    ids=str,
)
def test_divides_by_what_the_optimizer_divided_by(
    kind: Callable[..., Optimizer], options: dict[str, Any], steps: int
) -> None:
    objective = problem()  # without momentum a step is lr D g
    optimizer = kind(objective.model.parameters(), lr=1e-3, **options)
    ratio = [step(objective, optimizer) for _ in range(steps)][-1] / 1e-3

    P = PreconditionedHessian(objective, optimizer)

    assert_close(P.scale**2, ratio)
    assert_close(P.dense(), P.scale[:, None] * Hessian(objective).dense() * P.scale)


def test_groups_count_relative_to_the_first() -> None:
    objective = problem()
    layers = [objective.model.get_submodule(name).parameters() for name in ("0", "2")]
    optimizer = SGD([{"params": layers[0]}, {"params": layers[1], "lr": 0.3}], lr=0.1)

    P = PreconditionedHessian(objective, optimizer)

    assert_close(objective.split(P.scale**2)["0.bias"], torch.ones(3).double())
    assert_close(objective.split(P.scale**2)["2.bias"], torch.full((2,), 3.0).double())


def test_keeps_the_state_it_was_made_with() -> None:
    objective = problem()
    optimizer = RMSprop(objective.model.parameters(), lr=1e-3)
    step(objective, optimizer)
    P = PreconditionedHessian(objective, optimizer)
    before = P.dense()

    step(objective, optimizer)

    assert_close(P.dense(), before, rtol=0, atol=0)


def test_refuses_optimizers_it_cannot_read() -> None:
    objective = problem()
    parameters = list(objective.model.parameters())

    with pytest.raises(ValueError, match=r"'0.weight' has no state in Adam yet"):
        PreconditionedHessian(objective, Adam(parameters))
    with pytest.raises(ValueError, match=r"'2.bias' is not in the optimizer"):
        PreconditionedHessian(objective, SGD(parameters[:3]))
    with pytest.raises(TypeError, match="state of Rprop is not known; known are Adam"):
        PreconditionedHessian(objective, Rprop(parameters))
    frozen = Adam(parameters, eps=0.0)
    for p in parameters:
        p.grad = torch.zeros_like(p)
    frozen.step()
    with pytest.raises(ValueError, match="divides by zero"):
        PreconditionedHessian(objective, frozen)


def test_groups_are_not_weighed_against_one_that_stands_still() -> None:
    objective = problem()
    first, *rest = objective.model.parameters()
    adam = Adam([{"params": [first], "lr": 0.0}, {"params": rest}], lr=0.1)
    step(objective, adam)

    with pytest.raises(ValueError, match="first parameter group has lr=0"):
        PreconditionedHessian(objective, adam)
