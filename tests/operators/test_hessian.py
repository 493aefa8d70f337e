from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_models import (
    MODELS,
    case,
    mse,
)
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.testing import assert_close

from passband.operators import Hessian
from passband.problem import Objective


def as_function(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Callable[..., Tensor], Tensor]:
    """The mean squared error as a function of one vector, and where that is now."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    shapes = [p.shape for p in parameters]

    def loss(theta: Tensor) -> Tensor:
        parts = theta.split([shape.numel() for shape in shapes])
        named = {k: p.view(s) for k, p, s in zip(names, parts, shapes, strict=True)}
        return mse(functional_call(model, named, (x,)), y)

    return loss, torch.cat([p.detach().reshape(-1) for p in parameters])


def dense(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The Hessian by nested Jacobians."""
    matrix: Any = torch.autograd.functional.hessian(*as_function(model, x, y))
    return matrix


def product(model: nn.Module, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
    """The Hessian of the whole data times a vector, without our machinery."""
    with sdpa_kernel(SDPBackend.MATH):
        value_and_product: Any = torch.autograd.functional.vhp(*as_function(model, x, y), v)
    return value_and_product[1]


@pytest.mark.parametrize("memory", [None, 0])
@pytest.mark.parametrize("name", MODELS)
def test_is_the_hessian_of_all_data_on_uneven_batches(name: str, memory: int | None) -> None:
    model, x, y = case(name)
    reference = case("mlp")[0] if name == "checkpointed" else model
    reference.load_state_dict(model.state_dict())
    objective = Objective(model, mse, [(x[:3], y[:3]), (x[3:], y[3:])])

    H = Hessian(objective, memory=memory)
    v = torch.randn(H.size, dtype=torch.float64)

    assert_close(H @ v, product(reference, x, y, v), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("parametrized", [True, False])
@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm`")
def test_weight_norm_is_differentiated_twice_rightly(dim: int | None, parametrized: bool) -> None:
    _, x, y = case("mlp")  # torch's own second derivative is wrong
    normalize: Callable[..., nn.Module] = (
        nn.utils.parametrizations.weight_norm if parametrized else nn.utils.weight_norm
    )
    objective = Objective(normalize(nn.Linear(3, 2).double(), dim=dim), mse, (x, y))

    H, step = Hessian(objective), 1e-5

    columns = [
        (objective.gradient(objective.theta + e) - objective.gradient(objective.theta - e)) / 2
        for e in step * torch.eye(H.size, dtype=torch.float64)
    ]
    # error: step² times a fourth derivative, and rounding over the step
    assert_close(H.dense(), torch.stack(columns) / step, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("memory", [None, 0])
@pytest.mark.parametrize("name", ["mlp", "checkpointed", "lstm"])
def test_training_on_does_not_move_it(name: str, memory: int | None) -> None:
    model, x, y = case(name)
    H = Hessian(Objective(model, mse, (x, y)), memory=memory)
    v = torch.ones(H.size, dtype=torch.float64)
    before = H @ v

    with torch.no_grad():
        for p in model.parameters():
            p.mul_(2).add_(1)
    model.train()

    assert_close(H @ v, before, rtol=0, atol=0)


@pytest.mark.parametrize("memory", [None, 0])
def test_modes_and_buffers_are_copied_too(memory: int | None) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    x, y = torch.randn(8, 3), torch.randn(8, 2)
    H = Hessian(Objective(model.eval(), mse, (x, y)), memory=memory)
    expected = Hessian(Objective(model, mse, (x, y))) @ torch.ones(H.size)

    model.train()
    model(x)

    assert_close(H @ torch.ones(H.size), expected, rtol=0, atol=0)
    assert model.training


def test_dropout_has_one_mask_whether_graphs_are_kept_or_not() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    data = [(torch.randn(4, 3), torch.randn(4, 2)) for _ in range(3)]
    objective = Objective(model, mse, data)
    v = torch.randn(objective.size)

    products = [Hessian(objective, memory=memory) @ v for memory in (None, 0, 3000)]

    assert_close(products[1:], [products[0]] * 2)


def test_keeps_as_many_graphs_as_fit() -> None:
    model, x, y = case("mlp")
    batches = [(x, y)] * 4
    objective = Objective(model, mse, batches)
    H = Hessian(objective)
    v = torch.ones(H.size, dtype=torch.float64)
    expected = H @ v
    kept = [0]
    for memory in [0, *(2**i for i in range(8, 18))]:
        limited = Hessian(objective, memory=memory)

        assert_close(limited @ v, expected)
        kept.append(limited.kept_batches)

    assert kept == sorted(kept)
    assert {0, 4} < set(kept)


def test_loss_linear_in_theta_has_zero_hessian() -> None:
    x = case("mlp")[1]

    H = Hessian(Objective(nn.Linear(3, 2).double(), lambda output, _: output.mean(), (x, x)))

    assert not H.dense().any()


def test_float32_is_as_good_as_float32() -> None:
    model, x, y = case("mlp")
    exact = dense(model, x, y)

    H = Hessian(Objective(model.float(), mse, (x.float(), y.float())))

    assert_close(H.dense().double(), exact, rtol=1e-4, atol=1e-5 * float(exact.abs().max()))


def test_functions_of_torch_func_inside_the_model_work() -> None:
    model, x, _ = case("mlp")

    def physics(model: nn.Module, batch: Tensor) -> Tensor:
        """The mean squared slope of the first output."""
        slope = torch.func.vmap(torch.func.grad(lambda z: model(z)[0]))
        return slope(batch).square().mean()

    H = Hessian(Objective(model, physics, [x[:2], x[2:]]))

    assert_close(H.dense(), H.dense().T)
    assert H.dense().any()


def test_graphs_are_released_and_built_again() -> None:
    model, x, y = case("mlp")
    H = Hessian(Objective(model, mse, (x, y)))
    v = torch.ones(H.size, dtype=torch.float64)
    before = H @ v

    H.release()

    assert H.kept_batches == 0
    assert_close(H @ v, before, rtol=0, atol=0)
