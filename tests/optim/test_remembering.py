"""Optimizers of one gradient a step: their definitions, edges and base points."""

import copy
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings, strategies as st
from remembering import ALL, Make, derivative, extrapolated, secant
from stepping import growth
from torch import Tensor, nn
from torch.testing import assert_close

from passband.errors import SkippedStepWarning
from passband.optim import ExtrapolatedSGD


def slope(theta: Tensor) -> Tensor:
    """Gradient of a function that is not quadratic."""
    return theta + torch.sin(3 * theta)


@ALL
@pytest.mark.parametrize("foreach", [None, False])
@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_is_heavy_ball_on_the_base_point(make: Make, momentum: float, foreach: bool | None) -> None:
    lr, strength = 0.1, 0.07 if make is not extrapolated else 1.3
    start = torch.tensor([1.0, -0.4, 2.0], dtype=torch.float64)
    p = start.clone().requires_grad_()
    optimizer = make([p], lr, momentum, strength=strength, foreach=foreach)

    x, d, g1, g2 = start, torch.zeros(3), slope(start), slope(start)
    if make is derivative:
        x = start + strength * g1  # the gradient point is where the training starts
    for _ in range(20):
        y = {
            derivative: x - strength * g1,
            extrapolated: x + strength * d,
            secant: x - strength / 2 * (g1 - g2),
        }[make]
        assert_close(p.detach(), y, rtol=1e-12, atol=1e-13)
        p.grad = slope(p.detach())
        optimizer.step()
        g = slope(y)
        d = momentum * d - lr * g
        x, g1, g2 = x + d, g, g1

    with optimizer.at_base_point():
        assert_close(p.detach(), x, rtol=1e-12, atol=1e-13)
    assert_close(p.detach(), x - (x - p.detach()), rtol=0, atol=1e-15)


NAMES = {
    derivative: ["momentum_buffer", "previous_gradient"],
    extrapolated: ["momentum_buffer"],
    secant: ["momentum_buffer", "previous_gradient", "older_gradient"],
}


def measured_transition(make: Make, lam: float, lr: float, momentum: float, **options: Any) -> Any:
    """The one-step matrix of the optimizer, read off its action on unit vectors."""
    names, columns = NAMES[make], list[list[float]]()
    for unit in np.eye(1 + len(names)):
        p = torch.tensor(unit[0], requires_grad=True)
        optimizer = make([p], lr, momentum, **options)
        optimizer.state[p].update(
            {n: torch.tensor(v) for n, v in zip(names, unit[1:], strict=True)}
        )
        p.grad = lam * p.detach()
        optimizer.step()
        columns.append([p.item(), *(optimizer.state[p][n].item() for n in names)])
    return np.array(columns).T


@settings(max_examples=40, deadline=None)
@given(lam=st.floats(-5, 30), momentum=st.floats(0.01, 0.99), strength=st.floats(0, 2))
@ALL
def test_multipliers_are_the_roots_of_the_phase_principle(
    make: Make, *, lam: float, momentum: float, strength: float
) -> None:
    lr = 0.1
    strength = strength * lr if make is not extrapolated else strength

    measured = np.poly(measured_transition(make, lam, lr, momentum, strength=strength))

    base, u = np.polymul([1, -1], [1, -momentum]), lam * lr
    if make is derivative:  # (z − 1)(z − β)(1 + λs/z) + uz, times z
        expected = np.polyadd(np.polymul(base, [1, lam * strength]), [u, 0, 0])
    elif make is secant:  # (z − 1)(z − β)(1 + λ(r/2)(1/z − 1/z²)) + uz, times z²
        bent = np.polymul(base, [1, lam * strength / 2, -lam * strength / 2])
        expected = np.polyadd(bent, [u, 0, 0, 0])
    else:  # (z − 1)(z − β) + u(z + c(z − 1))
        expected = np.polyadd(base, [u * (1 + strength), -u * strength])
    np.testing.assert_allclose(measured, expected, atol=1e-11)


@settings(max_examples=40, deadline=None)
@given(
    lr=st.floats(1e-3, 10.0),
    momentum=st.one_of(st.floats(0.01, 0.91), st.floats(0.91, 0.99)),
    share=st.floats(0.02, 0.98),
    weight_decay=st.sampled_from([0.0, 0.2]),
)
@ALL
def test_edge_is_where_the_one_step_matrix_leaves_the_circle(
    make: Make, *, lr: float, momentum: float, share: float, weight_decay: float
) -> None:
    assume(make is not secant or momentum <= 0.91)
    edge = share * 2 * (1 + momentum) / lr - weight_decay
    assume(edge > 0)

    inside, outside = (
        np.abs(np.linalg.eigvals(measured_transition(make, lam, lr, momentum, **options))).max()
        for lam in (
            edge - 0.01 * (edge + weight_decay),
            edge + 0.01 * (edge + weight_decay),
        )
        for options in [{"edge": edge, "weight_decay": weight_decay}]
    )

    assert inside < 1 < outside


@ALL
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_converges_inside_its_edge_and_diverges_outside(make: Make, momentum: float) -> None:
    edge = 0.25 * 2 * (1 + momentum) / 0.1

    def factor(lam: float) -> float:
        return growth(lambda params: make(params, 0.1, momentum, edge=edge), lam)

    assert factor(0.99 * edge) < 0.9995
    assert factor(1.01 * edge) > 1.0005


def mlp() -> tuple[nn.Module, Tensor, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
        return model, torch.randn(7, 4), torch.randn(7, 2)


def train(optimizer: Any, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    for _ in range(5):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    return nn.utils.parameters_to_vector(model.parameters()).detach()


@pytest.mark.parametrize("make", [derivative, secant])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_without_strength_it_is_torch_sgd_bit_for_bit(
    make: Make, momentum: float, weight_decay: float
) -> None:
    model, x, y = mlp()
    twin = copy.deepcopy(model)
    options: dict[str, Any] = {"lr": 0.1, "momentum": momentum, "weight_decay": weight_decay}

    ours = train(make(model.parameters(), strength=0.0, **options), model, x, y)

    theirs = train(torch.optim.SGD(twin.parameters(), **options), twin, x, y)
    assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize(("c", "nesterov"), [(0.0, False), (0.9, True)])
def test_extrapolation_holds_heavy_ball_and_torch_nesterov(c: float, nesterov: bool) -> None:
    model, x, y = mlp()
    twin = copy.deepcopy(model)

    ours = train(ExtrapolatedSGD(model.parameters(), 0.1, 0.9, c), model, x, y)

    sgd = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9, nesterov=nesterov)
    assert_close(ours, train(sgd, twin, x, y), rtol=1e-5, atol=1e-6)


@ALL
def test_the_base_point_is_shown_and_taken_away_bit_for_bit(make: Make) -> None:
    model, x, y = mlp()
    optimizer = make(model.parameters(), 0.1, 0.8, edge=2.0)
    train(optimizer, model, x, y)
    next(model.parameters()).requires_grad_(False)
    before = nn.utils.parameters_to_vector(model.parameters()).detach()

    inside = before
    with suppress(KeyboardInterrupt), optimizer.at_base_point():
        inside = nn.utils.parameters_to_vector(model.parameters()).detach()
        raise KeyboardInterrupt

    after = nn.utils.parameters_to_vector(model.parameters()).detach()
    assert_close(after, before, rtol=0, atol=0)
    assert not torch.equal(inside, before)


@ALL
def test_before_the_first_step_the_base_point_is_the_start(make: Make) -> None:
    p = torch.ones(2, requires_grad=True)
    optimizer = make([p], 0.1, 0.5, edge=1.0)

    with optimizer.at_base_point():
        shown = p.detach().clone()

    assert_close(shown, torch.ones(2), rtol=0, atol=0)
    assert not optimizer.state_dict()["state"]


@ALL
def test_a_gradient_that_is_not_finite_skips_the_step(make: Make) -> None:
    model, x, y = mlp()
    optimizer = make(model.parameters(), 0.1, 0.8, edge=2.0)
    train(optimizer, model, x, y)
    before = copy.deepcopy((optimizer.state_dict(), model.state_dict()))
    next(model.parameters()).grad = torch.full((5, 4), torch.nan)

    with pytest.warns(SkippedStepWarning, match="1 skipped"):
        optimizer.step()

    assert_close((optimizer.state_dict(), model.state_dict()), before, rtol=0, atol=0)


@ALL
def test_works_with_a_gradient_scaler_and_without_a_closure(make: Make) -> None:
    model, x, y = mlp()
    optimizer = make(model.parameters(), 0.1, 0.8, edge=2.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    start = nn.functional.mse_loss(model(x), y).item()

    for _ in range(30):
        optimizer.zero_grad()
        scaler.scale(nn.functional.mse_loss(model(x), y)).backward()
        scaler.step(optimizer)
        scaler.update()

    assert nn.functional.mse_loss(model(x), y).item() < 0.7 * start


@ALL
def test_a_closure_gives_the_loss_before_the_step(make: Make) -> None:
    p = torch.tensor(2.0, requires_grad=True)
    optimizer = make([p], 0.1, 0.0, strength=0.0)

    def closure() -> Tensor:
        loss = p.square()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4.0
    assert p.item() == pytest.approx(1.6)
