"""Losses without a second derivative, or without a finite one, and what is said of them."""

from typing import Any

import pytest
import torch
from small_models import case, mse
from torch import Tensor, nn
from typing_extensions import override

from passband.errors import NonFiniteError, PassbandError
from passband.operators import Hessian
from passband.problem import Objective


def test_second_derivative_that_is_not_finite_names_its_batch() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)

    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        return (batch * model(torch.ones(1, 1)).abs() ** 1.5).mean()

    H = Hessian(Objective(model, loss, [torch.zeros(2), torch.ones(2)]))

    with pytest.raises(NonFiniteError, match=r"second derivative of batch \d is not finite"):
        _ = H @ torch.ones(1)


def test_a_vector_that_is_not_finite_is_blamed_itself() -> None:
    model, x, y = case("mlp")
    H = Hessian(Objective(model, mse, (x, y)))

    with pytest.raises(NonFiniteError, match="vector to multiply"):
        _ = H @ torch.full((H.size,), torch.nan, dtype=torch.float64)


class Once(torch.autograd.Function):
    @staticmethod
    @override
    def forward(ctx: Any, *args: Tensor) -> Tensor:
        return args[0] * 2

    @staticmethod
    @torch.autograd.function.once_differentiable
    @override
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return grad_outputs[0] * 2


def test_operations_without_second_derivative_are_explained() -> None:
    model, x, y = case("mlp")

    def loss(output: Tensor, target: Tensor) -> Tensor:
        doubled = Once.apply(output)
        assert isinstance(doubled, Tensor)
        return mse(doubled, target)

    H = Hessian(Objective(model, loss, (x, y)))

    with pytest.raises(PassbandError, match="a first derivative only"):
        _ = H @ torch.ones(H.size, dtype=torch.float64)


def test_refuses_wrong_arguments() -> None:
    model, x, y = case("mlp")

    with pytest.raises(TypeError, match=r"Objective"):
        Hessian(model)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="`memory` must be a number of bytes"):
        Hessian(Objective(model, mse, (x, y)), memory=-1)
