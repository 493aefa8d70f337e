"""The closures that Hessian USAM can differentiate twice, and those it must refuse."""

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from passband.errors import PassbandError
from passband.optim import HessianUSAM


def quartic(theta: Tensor) -> Tensor:
    return (theta**4).sum() + theta[0] * theta[1] ** 2


def step_with(
    closure: Callable[[HessianUSAM, Tensor], Tensor], start: Tensor | None = None
) -> Tensor:
    theta = (torch.tensor([0.3, -0.5]).double() if start is None else start).requires_grad_()
    optimizer = HessianUSAM([theta], lr=0.1, rho=0.2)
    optimizer.step(lambda: closure(optimizer, theta))
    return theta.detach()


def defined_step(direction: Callable[[Tensor], Tensor] = lambda g: g) -> Tensor:
    """The step of the definition, along the Hessian times ``direction(∇f)``."""
    theta = torch.tensor([0.3, -0.5]).double()
    gradient = torch.func.grad(quartic)
    way = torch.func.jacrev(gradient)(theta) @ direction(gradient(theta))
    return theta - 0.1 * direction(gradient(theta + 0.2 * way))


def plain(optimizer: HessianUSAM, theta: Tensor) -> Tensor:
    optimizer.zero_grad()
    loss = quartic(theta)
    loss.backward()
    return loss


def accumulated(optimizer: HessianUSAM, theta: Tensor) -> Tensor:
    optimizer.zero_grad()
    parts = [(theta**4).sum(), theta[0] * theta[1] ** 2]
    for part in parts:
        part.backward()
    return torch.stack(parts).sum()


def by_function(optimizer: HessianUSAM, theta: Tensor) -> Tensor:
    optimizer.zero_grad()
    parts = [(theta**4).sum(), theta[0] * theta[1] ** 2]
    torch.autograd.backward(parts, retain_graph=True)
    return torch.stack(parts).sum()


def seeded(optimizer: HessianUSAM, theta: Tensor) -> Tensor:
    optimizer.zero_grad()
    loss = quartic(theta) / 4
    loss.backward(gradient=torch.tensor(4.0, dtype=torch.float64), inputs=[theta])
    return loss


@pytest.mark.parametrize("closure", [plain, accumulated, by_function, seeded])
def test_every_way_to_call_backward_gives_the_exact_product(
    closure: Callable[[HessianUSAM, Tensor], Tensor],
) -> None:
    assert_close(step_with(closure), defined_step(), rtol=1e-14, atol=0)


def test_clipping_inside_the_closure_shortens_the_vector_of_the_product() -> None:
    def clipped(optimizer: HessianUSAM, theta: Tensor) -> Tensor:
        loss = plain(optimizer, theta)
        nn.utils.clip_grad_norm_([theta], 0.1)
        return loss

    expected = defined_step(lambda g: g * (0.1 / (g.norm() + 1e-6)).clamp(max=1))
    assert_close(step_with(clipped), expected, rtol=1e-14, atol=0)


def test_the_closure_sees_ordinary_gradients() -> None:
    def looking(optimizer: HessianUSAM, theta: Tensor) -> Tensor:
        loss = plain(optimizer, theta)
        assert theta.grad is not None
        assert theta.grad.grad_fn is None
        return loss

    step_with(looking)


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)

    with pytest.raises(PassbandError, match="attach"):
        step_with(plain)


def test_a_linear_loss_has_no_hessian() -> None:
    def linear(optimizer: HessianUSAM, theta: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = theta.sum()
        loss.backward()
        return loss

    assert_close(step_with(linear, torch.zeros(2)), torch.full((2,), -0.1), rtol=0, atol=1e-8)


def test_a_gradient_that_came_another_way_is_refused() -> None:
    def hidden(optimizer: HessianUSAM, theta: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = quartic(theta)
        (theta.grad,) = torch.autograd.grad(loss, theta)
        return loss

    with pytest.raises(ValueError, match=r"Call `loss\.backward\(\)` on the loss inside"):
        step_with(hidden)


def test_what_cannot_be_differentiated_twice_says_what_to_use() -> None:
    def fused(optimizer: HessianUSAM, theta: Tensor) -> Tensor:
        optimizer.zero_grad()
        q = theta.view(1, 1, 2, 4)
        loss = nn.functional.scaled_dot_product_attention(q, q, q).square().mean()
        loss.backward()
        return loss

    with pytest.raises(RuntimeError, match="not implemented") as raised:
        step_with(fused, torch.ones(8))
    assert "SDPBackend.MATH" in raised.value.__notes__[0]


def test_other_parameters_get_their_gradient_from_the_last_pass() -> None:
    theta, other = (torch.ones(2, requires_grad=True) for _ in range(2))
    optimizer = HessianUSAM([theta], lr=0.1, rho=0.2)

    def closure() -> Tensor:
        other.grad = None
        loss = (theta.square() * other).sum()
        loss.backward()
        return loss

    optimizer.step(closure)

    # uphill of θ = 1 along H∇f = 4 by ρ = 0.2, where θ² is 1.8²
    assert other.grad is not None
    assert_close(other.grad, torch.full((2,), 1.8**2))


def test_the_graph_does_not_outlive_the_step() -> None:
    theta = torch.ones(2, requires_grad=True)
    optimizer = HessianUSAM([theta], lr=0.1, rho=0.2)
    graphs: list[weakref.ref[Tensor]] = []

    def closure() -> Tensor:
        output = theta.square()
        graphs.append(weakref.ref(output))
        loss = output.sum()
        loss.backward()
        return loss

    gc.disable()
    try:
        losses = [optimizer.step(closure) for _ in range(2)]
        assert [graph() for graph in graphs] == [None] * 4
    finally:
        gc.enable()
    assert losses[0] == 2
