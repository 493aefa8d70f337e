"""Update Jacobians against automatic differentiation of another kind, and what they refuse."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev
from torch.nn import functional
from torch.testing import assert_close

from passband.operators import UpdateJacobian

LR, MOMENTUM = 0.1, 0.9


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(9, 3, dtype=torch.float64, generator=generator)
    return x, torch.randn(9, 2, dtype=torch.float64, generator=generator)


def heavy_ball() -> tuple[Callable[[Any], Any], dict[str, Any]]:
    net, (x, y) = model(), data()
    weights = {name: p.detach() for name, p in net.named_parameters()}

    def step(s: dict[str, Any]) -> dict[str, Any]:
        def loss(w: dict[str, Tensor]) -> Tensor:
            return functional.mse_loss(functional_call(net, w, (x,)), y)

        g = grad(loss)(s["weights"])
        v = {name: MOMENTUM * s["momentum"][name] + g[name] for name in g}
        w = {name: s["weights"][name] - LR * v[name] for name in g}
        return {"momentum": v, "weights": w, "steps": s["steps"] + 1}

    momentum = {name: torch.randn_like(w) for name, w in weights.items()}
    return step, {"weights": weights, "momentum": momentum, "steps": 3}


def test_is_the_jacobian_of_heavy_ball_on_a_network() -> None:
    step, state = heavy_ball()
    net, (x, y) = model(), data()
    J = UpdateJacobian(step, state)
    n = J.size // 2

    names = list(state["weights"])

    def loss(flat: Tensor) -> Tensor:
        sizes = [state["weights"][name].numel() for name in names]
        parts = zip(names, flat.split(sizes), strict=True)
        named = {name: part.view_as(state["weights"][name]) for name, part in parts}
        return functional.mse_loss(functional_call(net, named, (x,)), y)

    flat = torch.cat([w.reshape(-1) for w in state["weights"].values()])
    H, eye = jacrev(grad(loss))(flat), torch.eye(n, dtype=torch.float64)
    exact = torch.cat(
        [
            torch.cat([eye - LR * H, -LR * MOMENTUM * eye], dim=1),
            torch.cat([H, MOMENTUM * eye], dim=1),
        ]
    )
    assert J.parts == {"weights": slice(0, n), "momentum": slice(n, 2 * n)}
    assert_close(J.dense(), exact)
    assert_close(J.T.dense(), exact.T)


def test_autograd_inside_the_step_is_as_good() -> None:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        return (x.square().sum() + (x * y).sum() - y.square().sum() / 2).exp() / 10

    def by_autograd(s: tuple[Tensor, list[Tensor]]) -> tuple[Tensor, list[Tensor]]:
        x, (y,) = s
        g, h = torch.autograd.grad(loss(x, y), (x, y), create_graph=True)
        return x - LR * g, [y + LR * h]

    def by_transforms(s: tuple[Tensor, list[Tensor]]) -> tuple[Tensor, list[Tensor]]:
        x, (y,) = s
        g, h = grad(loss, argnums=(0, 1))(x, y)
        return x - LR * g, [y + LR * h]

    state = (torch.tensor([0.3, -0.2]).double(), [torch.tensor([0.1, 0.4]).double()])
    first, second = UpdateJacobian(by_autograd, state), UpdateJacobian(by_transforms, state)

    assert [leaf.name for leaf in first.leaves] == ["0", "1.0"]
    assert_close(first.dense(), second.dense())

    def step(v: Tensor) -> Tensor:
        x, (y,) = by_transforms((v[:2], [v[2:]]))
        return torch.cat([x, y])

    assert_close(first.dense(), jacrev(step)(first.as_vector(state)))


def test_blocks_counts_and_names() -> None:
    step, state = heavy_ball()
    J = UpdateJacobian(step, state)
    V = torch.randn(J.size, 3, dtype=torch.float64)
    before = J.matvecs

    product, adjoint = J @ V, J.T @ V[:, 0]

    assert J.matvecs == before + 4
    assert_close(product, J.dense() @ V)
    assert_close(adjoint, J.dense().T @ V[:, 0])
    named = J.split(V[:, 0].contiguous())
    assert next(iter(named)) == "weights.0.weight"
    assert {leaf.part for leaf in J.leaves} == {"weights", "momentum"}
    assert named["momentum.2.bias"].shape == (2,)
    assert_close(torch.cat([t.reshape(-1) for t in named.values()]), V[:, 0])
    assert_close(J.as_vector(J.as_state(V[:, 0].contiguous())), V[:, 0])
    assert J.as_state(V[:, 0].contiguous())["steps"] == 3


def test_what_stays_and_what_is_forgotten() -> None:
    def step(s: dict[str, Tensor]) -> dict[str, Tensor]:
        return OrderedDict(b=torch.ones(2), a=s["a"], c=s["a"] * s["c"])  # another order

    state = {"a": torch.tensor([2.0, 3.0]), "b": torch.ones(2), "c": torch.tensor([1.0, 4.0])}
    J = UpdateJacobian(step, state)

    expected = torch.zeros(6, 6)
    expected[0, 0] = expected[1, 1] = 1
    expected[4:, :2] = torch.diag(state["c"])
    expected[4:, 4:] = torch.diag(state["a"])
    assert_close(J.dense(), expected)
    assert_close(J.T.dense(), expected.T)


def test_an_affine_step_and_a_single_tensor() -> None:
    A = torch.tensor([[0.5, 1.0], [0.0, 0.25]])

    J = UpdateJacobian(lambda s: A @ s + 1, torch.zeros(2))

    assert J.leaves[0].name == "state"
    assert_close(J.dense(), A)
    assert_close(J.movement, 2**0.5)


def test_training_on_does_not_move_it() -> None:
    state = {"x": torch.tensor([1.0, 2.0])}
    J = UpdateJacobian(lambda s: {"x": s["x"] - 0.1 * s["x"] ** 3}, state)
    before = J.dense()

    state["x"].zero_()

    assert_close(J.dense(), before, rtol=0, atol=0)
    assert_close(before, torch.diag(torch.tensor([0.7, -0.2])))


def test_leaves_no_trace_in_random_numbers_and_gradients() -> None:
    weight = torch.ones(2, requires_grad=True)
    generator = torch.get_rng_state()

    UpdateJacobian(lambda s: s * weight, torch.ones(2))

    assert weight.grad is None
    assert torch.equal(torch.get_rng_state(), generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_averages_of_squares_are_not_made_negative_by_the_checks(dtype: torch.dtype) -> None:
    def step(s: dict[str, Tensor]) -> dict[str, Tensor]:
        g = 2 * s["x"]
        v = 0.99 * s["v"] + 0.01 * g**2
        return {"x": s["x"] - 0.1 * g / (v.sqrt() + 1e-8), "v": v}

    state = {"x": torch.tensor([30.0, 1e-3], dtype=dtype), "v": torch.full((2,), 1e-6, dtype=dtype)}
    J = UpdateJacobian(step, state)

    x, v = state["x"].double(), 0.99 * state["v"].double() + 0.04 * state["x"].double() ** 2
    root = v.sqrt()
    diagonal = 1 - 0.2 / (root + 1e-8) + 0.2 * x * 0.08 * x / (2 * root * (root + 1e-8) ** 2)
    assert_close(J.dense()[:2, :2].diagonal(), diagonal.to(dtype), rtol=1e-3, atol=1e-4)
