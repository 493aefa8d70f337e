"""The filter of SGD is the step of ``torch.optim.SGD``."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy import ndarray
from numpy.testing import assert_allclose
from stepping import growth

from passband.filters import SGD

CURVATURES = np.array([-30.0, -1.0, 0.0, 1e-6, 0.5, 7.0, 19.9, 400.0])


def measured_transition(lam: ndarray, **options: Any) -> ndarray:
    """The one-step matrix of ``torch.optim.SGD``, read off its action on unit vectors."""
    curvature, columns = torch.from_numpy(lam), list[torch.Tensor]()
    for theta0, v0 in [(1.0, 0.0), (0.0, 1.0)]:
        theta = torch.full_like(curvature, theta0).requires_grad_()
        optimizer = torch.optim.SGD([theta], **options)
        optimizer.state[theta]["momentum_buffer"] = torch.full_like(curvature, v0)
        (0.5 * curvature * theta**2).sum().backward()
        optimizer.step()
        v = optimizer.state[theta]["momentum_buffer"]
        columns.append(torch.stack([theta.detach(), v], dim=-1))
    return torch.stack(columns, dim=-1).numpy()


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 0.9},
        {"momentum": 0.9, "dampening": 0.3},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.5, "weight_decay": 0.02},
        {"momentum": 0.5, "weight_decay": 0.02, "nesterov": True},
        {"momentum": 1.0},
    ],
    ids=str,
)
def test_is_the_step_of_torch_sgd(options: dict[str, Any]) -> None:
    predicted = SGD(lr=0.1, **options).transition(CURVATURES)

    # the buffer's row has entries of the size of λ
    assert_allclose(predicted, measured_transition(CURVATURES, lr=0.1, **options), rtol=1e-13)


def test_without_momentum_is_one_multiplier() -> None:
    theta = torch.ones(len(CURVATURES), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([theta], lr=0.1, weight_decay=0.02)
    (0.5 * torch.from_numpy(CURVATURES) * theta**2).sum().backward()

    optimizer.step()

    multipliers = SGD(lr=0.1, weight_decay=0.02).multipliers(CURVATURES)
    assert_allclose(multipliers[:, 0], theta.detach().numpy(), rtol=1e-13)


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_torch_settles_inside_the_edge_and_leaves_outside(factor: float) -> None:
    options: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "nesterov": True}
    found = growth(lambda params: torch.optim.SGD(params, **options), factor * SGD(**options).edge)
    assert (found < 1) == (factor < 1)
