"""Training steps that cannot be differentiated as they stand, and what they are told."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close
from typing_extensions import override

from passband.errors import NonFiniteError, NotDeterministicError, PassbandError
from passband.operators import UpdateJacobian


def in_place(s: dict[str, Tensor]) -> dict[str, Tensor]:
    s["x"] -= 0.1 * s["x"]
    return s


def in_place_unseen(s: dict[str, Tensor]) -> dict[str, Tensor]:
    y = 2 * s["x"]
    with torch.no_grad():
        s["x"].mul_(0.5)
    return {"x": y}


def graph_forgotten(s: dict[str, Tensor]) -> dict[str, Tensor]:
    (g,) = torch.autograd.grad(s["x"].square().sum(), s["x"])
    return {"x": s["x"] - 0.1 * g}


def half_detached(s: dict[str, Tensor]) -> dict[str, Tensor]:
    return {"x": s["x"] - 1e-3 * s["x"] * s["x"].detach()}


def counter() -> Callable[[Any], Any]:
    calls: list[int] = []

    def step(s: dict[str, Tensor]) -> dict[str, Tensor]:
        calls.append(1)
        return {"x": s["x"] / (1 + len(calls))}

    return step


@pytest.mark.parametrize(
    ("step", "error", "message"),
    [
        (in_place, ValueError, "in place"),
        (in_place_unseen, ValueError, "changed 'x' in place"),
        (graph_forgotten, ValueError, "create_graph=True"),
        (half_detached, ValueError, "not that of what it does"),
        (lambda s: {"x": s["x"].detach() / 2}, ValueError, "nothing it returns depends"),
        (counter(), NotDeterministicError, "two results"),
        (lambda _: None, ValueError, "returned None"),
        (lambda _: {}, ValueError, r"lacks \['x'\]"),
        (lambda s: {"x": s["x"], "y": s["x"]}, ValueError, r"has \['y'\] beyond"),
        (lambda s: {"x": s["x"][:1]}, ValueError, r"of shape \(3,\)"),
        (lambda s: {"x": s["x"].float()}, ValueError, "torch.float32"),
        (lambda s: {"x": s["x"].tolist()}, ValueError, "lacks"),
        (lambda s: {"x": np.tanh(s["x"])}, TypeError, "Replace `np.` by `torch.`"),
        (lambda s: {"x": s["x"] / 0}, NonFiniteError, "not finite at 'x'"),
        (
            lambda s: {"x": s["x"].abs().sub(s["x"].abs()).sqrt() + s["x"]},
            NonFiniteError,
            "sqr|squ",
        ),
    ],
)
def test_refuses_a_step(step: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        UpdateJacobian(step, {"x": torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)})


def test_dropout_has_one_mask() -> None:
    J = UpdateJacobian(lambda s: functional.dropout(s, 0.5), torch.ones(30))

    kept = J @ torch.ones(30)
    assert set(kept.tolist()) == {0.0, 2.0}
    assert torch.equal(J.T @ torch.ones(30), kept)


def test_refuses_a_mask_that_changes() -> None:
    generator = torch.Generator()

    def step(s: Tensor) -> Tensor:
        return s - 1e-3 * s * torch.bernoulli(torch.full((20,), 0.5), generator=generator)

    with pytest.raises(NotDeterministicError, match="eval"):
        UpdateJacobian(step, torch.ones(20))


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        ({}, ValueError, "at least one tensor"),
        ({"x": 3}, ValueError, "at least one tensor"),
        ({"x": torch.ones(2).half()}, ValueError, "float32 or float64"),
        ({"x": torch.ones(2), "y": torch.ones(2).double()}, ValueError, "one dtype and device"),
        ({"x": torch.ones(2, dtype=torch.complex64)}, ValueError, "view_as_real"),
        ({"x": torch.ones(0)}, ValueError, "size 0"),
        ({"x": torch.tensor([float("nan")])}, NonFiniteError, "not finite at 'x'"),
        ({"net": nn.Linear(1, 1), "x": torch.ones(1)}, TypeError, "named_parameters"),
        ([torch.ones(1).numpy(), torch.ones(1)], TypeError, "as_tensor"),
    ],
)
def test_refuses_a_state(state: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        UpdateJacobian(lambda s: s, state)


def test_refuses_one_tensor_twice() -> None:
    x = torch.ones(1)

    with pytest.raises(ValueError, match="twice, at 'a' and 'b'"):
        UpdateJacobian(lambda s: s, {"a": x, "b": x})


def test_a_second_derivative_that_is_wrong_or_missing() -> None:
    class Once(torch.autograd.Function):
        @staticmethod
        @override
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @override
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, *g: Any) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
            return 2 * g[0] * ctx.saved_tensors[0]

    def apply(s: Tensor) -> Any:
        return Once.apply(s)

    with pytest.raises(ValueError, match="once_differentiable"):
        UpdateJacobian(apply, torch.ones(2))


def test_fused_attention_says_what_to_use() -> None:
    def loss(x: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(x, x, x).square().sum()

    def step(x: Tensor) -> Tensor:
        (g,) = torch.autograd.grad(loss(x), x, create_graph=True)
        return x - 0.1 * g

    x = torch.randn(1, 1, 4, 8)
    with pytest.raises(PassbandError, match="sdpa_kernel"):
        UpdateJacobian(step, x)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        assert UpdateJacobian(step, x).size == 32


def test_a_product_with_what_is_not_finite() -> None:
    J = UpdateJacobian(lambda s: 2 * s, torch.ones(2))

    with pytest.raises(NonFiniteError, match="vector to multiply"):
        _ = J @ torch.tensor([1.0, float("nan")])


def test_what_the_step_uses_may_not_change() -> None:
    weight = torch.ones(2)
    J = UpdateJacobian(lambda s: s * s * weight, torch.ones(2))

    weight.add_(1)

    with pytest.raises(PassbandError, match="changed in place since"):
        _ = J @ torch.ones(2)


def test_a_million_entries() -> None:
    n = 1_000_000
    rates = torch.linspace(0.1, 0.9, n)

    J = UpdateJacobian(lambda s: {"x": rates * s["x"] - 1e-3 * s["x"] ** 2}, {"x": torch.ones(n)})

    v = torch.ones(n)
    assert_close(J @ v, rates - 2e-3)
    assert_close(J.T @ v, rates - 2e-3)
