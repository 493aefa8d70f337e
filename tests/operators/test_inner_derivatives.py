"""Losses that differentiate the model themselves: penalties, equations, slopes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from passband.operators import Hessian
from passband.problem import Objective

Loss = Callable[[nn.Module, tuple[Tensor, Tensor]], Tensor]


def slope(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """The penalty of Wasserstein critics."""
    x = batch[0].detach().requires_grad_()
    u = model(x)
    (g,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    return (u - batch[1]).square().mean() + (g.norm(dim=1) - 1).square().mean()


def backward(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    x = batch[0].detach().requires_grad_()
    u = model(x)
    u.sum().backward(create_graph=True, inputs=[x])
    assert x.grad is not None
    return (u - batch[1]).square().mean() + x.grad.square().mean()


def equation(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """A Laplacian, of which alone the loss is made."""
    x = batch[0].detach().requires_grad_()
    (g,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
    laplacian = torch.zeros(())
    for i in range(x.shape[1]):
        (h,) = torch.autograd.grad(g[:, i].sum(), x, create_graph=True)
        laplacian = laplacian + h[:, i]
    return (laplacian - batch[1][:, 0]).square().mean()


def tangent(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    u, t = torch.func.jvp(model, (batch[0],), (torch.ones_like(batch[0]),))[:2]
    return (u - batch[1]).square().mean() + t.square().mean()


@pytest.mark.filterwarnings("ignore:Using backward.. with create_graph:UserWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")
@pytest.mark.parametrize("memory", [None, 0], ids=["kept", "rebuilt"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("loss", [slope, backward, equation, tangent])
def test_their_hessian_is_the_derivative_of_their_gradient(
    loss: Loss, bias: bool, memory: int | None
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(2, 4, bias=bias),
        nn.Tanh(),
        nn.Linear(4, 4, bias=bias),
        nn.Tanh(),
        nn.Linear(4, 1, bias=bias),
    ).double()
    data = torch.randn(7, 2).double(), torch.randn(7, 1).double()
    objective = Objective(model, loss, [data])
    v = torch.randn(objective.size).double()

    product = Hessian(objective, memory=memory) @ v

    step, theta = 1e-5, objective.theta
    _, above = objective.value_and_gradient(theta + step * v)
    _, below = objective.value_and_gradient(theta - step * v)
    assert_close(product, (above - below) / (2 * step), rtol=1e-6, atol=1e-8)
