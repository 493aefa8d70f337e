"""One step of the optimizers that look uphill, against the matrix of its mode and against torch."""

import copy
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings, strategies as st
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.testing import assert_close

from passband.optim import SAM, USAM, HessianUSAM

Options = dict[str, Any]

lrs = st.floats(1e-4, 1.0)
momenta = st.one_of(st.just(0.0), st.floats(0.01, 0.99))
curvatures = st.floats(-10.0, 10.0)
states = st.floats(-3.0, 3.0)


def quadratic(optimizer: Any, theta: Tensor, lam: float) -> Callable[[], Tensor]:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = 0.5 * lam * theta.square()
        loss.backward()
        return loss

    return closure


def one_step(optimizer: Any, theta: Tensor, buffer: float, lam: float) -> tuple[float, float]:
    """Parameter and buffer after one step from ``(theta, buffer)``."""
    optimizer.state[theta]["momentum_buffer"] = torch.full_like(theta, buffer)
    optimizer.step(quadratic(optimizer, theta, lam))
    return theta.item(), optimizer.state[theta]["momentum_buffer"].item()


def predicted_step(p: float, theta: float, buffer: float, options: Options) -> tuple[float, float]:
    """The same step by the matrix ``[[1 − αp, −αβ], [p, β]]`` of the mode, or Nesterov's."""
    lr, momentum, decay = options["lr"], options["momentum"], options["weight_decay"]
    coupled = decay if options["decay"] == "coupled" else 0.0
    shrink = 1 - lr * decay if options["decay"] == "decoupled" else 1.0
    g = p * theta + coupled * theta
    v = momentum * buffer + g
    return shrink * theta - lr * (g + momentum * v if options["nesterov"] else v), v


@settings(deadline=None)
@given(
    lr=lrs,
    rho=st.floats(-2.0, 2.0),
    momentum=momenta,
    nesterov=st.booleans(),
    weight_decay=st.floats(0, 0.5),
    decay=st.sampled_from(["coupled", "loss", "decoupled"]),
    lam=curvatures,
    theta0=states,
    buffer=states,
)
@pytest.mark.parametrize("method", ["usam", "two-step", "three-step", "hessian"])
def test_one_step_is_the_matrix_of_the_mode(
    method: str,
    *,
    lr: float,
    rho: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    decay: str,
    lam: float,
    theta0: float,
    buffer: float,
) -> None:
    options: Options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
    options |= {"decay": decay, "nesterov": nesterov and momentum > 0}
    theta = torch.tensor(theta0, dtype=torch.float64, requires_grad=True)
    seen = lam + weight_decay if decay == "loss" else lam
    if method == "hessian":
        optimizer, p = HessianUSAM([theta], rho=rho, **options), seen * (1 + rho * seen**2)
    else:
        k = ["usam", "two-step", "three-step"].index(method) + 1
        optimizer, p = USAM([theta], rho=rho, steps=k, **options), seen * (1 + rho * seen) ** k

    got = one_step(optimizer, theta, buffer, lam)

    largest = (1 + 2 * abs(seen)) ** 4 * 10  # of the terms that are added up, in rounding units
    if momentum:
        expected = predicted_step(p, theta0, buffer, options)
    else:
        expected = predicted_step(p, theta0, 0.0, options)[0], buffer
    assert_close(got, expected, rtol=0, atol=1e-15 * largest)


@settings(deadline=None)
@given(lr=lrs, momentum=momenta, rho=st.floats(0, 2), lam=curvatures, theta0=states, buffer=states)
def test_sam_climbs_a_distance_of_rho(
    *, lr: float, momentum: float, rho: float, lam: float, theta0: float, buffer: float
) -> None:
    assume(lam * theta0 == 0 or abs(lam * theta0) > 1e-150)  # squares must not underflow
    theta = torch.tensor(theta0, dtype=torch.float64, requires_grad=True)
    optimizer = SAM([theta], lr, rho, momentum=momentum)

    got, _ = one_step(optimizer, theta, buffer, lam)

    g = lam * theta0
    q = lam * (theta0 + rho * ((g > 0) - (g < 0)))
    assert got == pytest.approx(theta0 - lr * (q + momentum * buffer), abs=1e-12)


def mlp(dtype: torch.dtype = torch.float64) -> tuple[nn.Module, Tensor, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).to(dtype)
        return model, torch.randn(7, 4, dtype=dtype), torch.randn(7, 2, dtype=dtype)


def train(optimizer: Any, model: nn.Module, x: Tensor, y: Tensor, steps: int = 5) -> Tensor:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    return nn.utils.parameters_to_vector(model.parameters()).detach()


SGD_OPTIONS: list[Options] = [
    {"momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay, "foreach": foreach}
    for momentum, nesterov, weight_decay, foreach in itertools.product(
        [0.0, 0.9], [False, True], [0.0, 0.01], [None, False, True]
    )
    if momentum or not nesterov
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("options", SGD_OPTIONS, ids=str)
@pytest.mark.parametrize("method", [USAM, HessianUSAM, SAM])
def test_without_an_ascent_it_is_torch_sgd_bit_for_bit(
    method: Callable[..., Optimizer], options: Options, dtype: torch.dtype
) -> None:
    model, x, y = mlp(dtype)
    twin = copy.deepcopy(model)

    ours = train(method(model.parameters(), lr=0.1, rho=0.0, **options), model, x, y)
    theirs = train(torch.optim.SGD(twin.parameters(), lr=0.1, **options), twin, x, y)

    assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("decay", ["coupled", "loss", "decoupled"])
@pytest.mark.parametrize("method", [USAM, HessianUSAM, SAM])
def test_foreach_changes_nothing(method: Callable[..., Optimizer], decay: str) -> None:
    options: Options = {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "decay": decay}
    trained: list[Tensor] = []
    for foreach in (False, True):
        model, x, y = mlp(torch.float32)
        optimizer = method(model.parameters(), lr=0.1, rho=0.05, foreach=foreach, **options)
        trained.append(train(optimizer, model, x, y))

    assert_close(trained[0], trained[1], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("decay", ["coupled", "loss", "decoupled"])
@pytest.mark.parametrize("method", [USAM, HessianUSAM, SAM])
def test_a_network_takes_the_step_of_the_definition(
    method: Callable[..., Optimizer], decay: str
) -> None:
    model, x, y = mlp()
    names, tensors = zip(*((n, p.detach()) for n, p in model.named_parameters()), strict=True)
    shapes = [p.shape for p in tensors]
    lr, rho, wd, momentum = 0.1, 0.05, 0.02, 0.8

    def loss(theta: Tensor) -> Tensor:
        pieces = theta.split([s.numel() for s in shapes])
        named = {n: v.view(s) for n, v, s in zip(names, pieces, shapes, strict=True)}
        output = torch.func.functional_call(model, named, (x,))
        penalty = wd / 2 * theta.square().sum() if decay == "loss" else 0
        return nn.functional.mse_loss(output, y) + penalty

    gradient = torch.func.grad(loss)
    theta, v = nn.utils.parameters_to_vector(tensors), torch.zeros(())
    for _ in range(3):
        g = gradient(theta)
        if method is HessianUSAM:
            way = torch.func.jacrev(gradient)(theta) @ g
        else:
            way = g / g.norm() if method is SAM else g
        q = gradient(theta + rho * way) + (wd * theta if decay == "coupled" else 0)
        v = momentum * v + q
        theta = (1 - lr * wd if decay == "decoupled" else 1) * theta - lr * v

    options: Options = {"momentum": momentum, "weight_decay": wd, "decay": decay}
    got = train(method(model.parameters(), lr=lr, rho=rho, **options), model, x, y, steps=3)

    assert_close(got, theta, rtol=1e-12, atol=1e-13)


LEAK = -1 / 0.03

PASSBANDS: list[tuple[Any, Options, list[tuple[float, float]]]] = [
    (USAM, {"momentum": 0.0}, [(-60.762521851, LEAK), (0, 27.429188518)]),
    (USAM, {}, [(-73.918546791, LEAK), (0, 40.585213458)]),
    (USAM, {"nesterov": True}, [(-54.503473239, LEAK), (0, 21.170139906)]),
    (USAM, {"steps": 2}, [(0, 27.247594218)]),
    (USAM, {"steps": 3}, [(-69.641444623, LEAK), (0, 20.898517210)]),
    (HessianUSAM, {}, [(0, 13.652866007)]),
    (HessianUSAM, {"rho": -0.0002}, [(-97.949910234, -70.710678119), (0, 70.710678119)]),
    (USAM, {"weight_decay": 0.2, "decay": "decoupled"}, [(-0.040048116, 40.480317311)]),
]


@pytest.mark.parametrize(("method", "options", "intervals"), PASSBANDS, ids=str)
def test_passbands_end_where_theory_says(
    method: Callable[..., Optimizer], options: Options, intervals: list[tuple[float, float]]
) -> None:
    given_options = {"lr": 0.04, "momentum": 0.8, "rho": 0.03, **options}

    def radius(lam: float) -> float:
        columns: list[tuple[float, float]] = []
        for theta0, buffer in [(1.0, 0.0), (0.0, 1.0)]:
            theta = torch.tensor(theta0, dtype=torch.float64, requires_grad=True)
            columns.append(one_step(method([theta], **given_options), theta, buffer, lam))
        matrix = torch.tensor(columns).T
        if not given_options["momentum"]:
            matrix = matrix[:1, :1]
        return torch.linalg.eigvals(matrix).abs().max().item()

    near = 0.3 if "steps" in options else 0.01  # (1 + ρλ)³ is flat where it vanishes
    for lower, upper in intervals:
        assert radius(lower - near) > 1
        assert radius(lower + near) < 1
        assert radius(upper - near) < 1
        assert radius(upper + near) > 1
