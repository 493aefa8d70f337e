import copy
import random
from typing import Any

import numpy as np
import pytest
import torch
from small_network import Batch, data, network
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from passband.problem import Objective, fixed_randomness


def state_of(model: nn.Module) -> list[Any]:
    """Everything an evaluation might disturb, bit for bit."""
    return [
        {name: t.clone() for name, t in model.state_dict().items()},
        [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        [module.training for module in model.modules()],
        [p.requires_grad for p in model.parameters()],
        torch.get_rng_state(),
        repr(np.random.get_state()),  # noqa: NPY002
    ]


def assert_unchanged(before: list[Any], model: nn.Module) -> None:
    for was, now in zip(before, state_of(model), strict=True):
        if isinstance(was, str):
            assert was == now
        else:
            assert_close(was, now, rtol=0, atol=0)


class Noisy(nn.Module):
    """Batch norm, dropout and every random number generator, in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
        self.head = nn.Linear(4, 2)

    @override
    def forward(self, x: Tensor) -> Tensor:
        scale = 1 + random.random() + np.random.rand()  # noqa: NPY002
        return self.head(self.body(x)) * scale


def test_value_and_gradient_are_those_of_the_whole_data() -> None:
    model, (x, y) = network(), data()
    batches = [(x[:4], y[:4]), (x[4:8], y[4:8]), (x[8:], y[8:])]  # an uneven last batch

    value, gradient = Objective(model, functional.mse_loss, batches).value_and_gradient()

    loss = functional.mse_loss(model(x), y)
    expected = torch.autograd.grad(loss, list(model.parameters()))
    assert value == pytest.approx(loss.item(), rel=1e-14)
    assert_close(gradient, torch.cat([g.reshape(-1) for g in expected]), rtol=1e-13, atol=1e-15)


def test_is_a_function_of_theta() -> None:
    model = network()
    objective = Objective(model, functional.mse_loss, data())
    other = network()
    with torch.no_grad():
        for p in other.parameters():
            p.mul_(1.5)
    moved = Objective(other, functional.mse_loss, data())

    assert objective.value(moved.theta) == moved.value()
    assert objective.value() != moved.value()
    assert_close(objective.gradient(moved.theta), moved.gradient(), rtol=0, atol=0)


def test_follows_the_model_while_it_trains() -> None:
    model = network()
    objective = Objective(model, functional.mse_loss, data())
    before = objective.value()

    with torch.no_grad():
        next(model.parameters()).add_(1.0)

    assert objective.value() != before
    assert objective.value() == Objective(model, functional.mse_loss, data()).value()


@pytest.mark.parametrize("training", [True, False])
def test_evaluating_leaves_no_footprint(training: bool) -> None:
    model = Noisy().train(training)
    x, y = (t.float() for t in data())
    loss = functional.mse_loss(model(x), y)
    loss.backward()
    torch.randn(3)
    before = state_of(model)

    objective = Objective(model, functional.mse_loss, DataLoader(TensorDataset(x, y), 4, True))
    objective.value_and_gradient()

    assert_unchanged(before, model)


def test_a_broken_loss_leaves_no_footprint() -> None:
    model = Noisy()
    objective = Objective(model, functional.mse_loss, [tuple(t.float() for t in data())])
    before = state_of(model)

    def fails(*_: Any) -> Any:
        raise KeyboardInterrupt

    objective.loss = fails
    with pytest.raises(KeyboardInterrupt):
        objective.gradient()

    assert_unchanged(before, model)


def test_randomness_is_fixed_inside_and_untouched_outside() -> None:
    def draw() -> tuple[float, ...]:
        return float(torch.rand(())), np.random.rand(), random.random()  # noqa: NPY002

    python, before = random.getstate(), state_of(network())
    with fixed_randomness(3, torch.device("cpu")):
        first = draw()
    with fixed_randomness(3, torch.device("cpu")):
        second = draw()

    assert first == second
    assert random.getstate() == python
    assert_unchanged(before, network())


def test_recurrent_layers_keep_their_weights() -> None:
    model = nn.LSTM(3, 2, batch_first=True)
    weights = [w.data_ptr() for w in model._flat_weights if isinstance(w, Tensor)]
    x, y = torch.randn(4, 5, 3), torch.zeros(4)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        return (model(batch[0])[0].square().sum((1, 2)) + batch[1]).mean()

    gradient = Objective(model, loss, (x, y)).gradient()

    assert weights == [w.data_ptr() for w in model._flat_weights if isinstance(w, Tensor)]
    assert (gradient != 0).any()


def test_dropout_has_one_mask_for_each_batch() -> None:
    model = Noisy()
    objective = Objective(model, functional.mse_loss, [tuple(t.float() for t in data())] * 2)

    values = [loss.value(objective.theta) for _, loss in objective.batches()]

    assert objective.value() == objective.value()
    assert values[0] != values[1]


@pytest.mark.slow
def test_compiled_models_are_replaced_by_their_originals() -> None:
    model = network()
    compiled = torch.compile(model, backend="eager")

    objective = Objective(compiled, functional.mse_loss, data())  # pyright: ignore[reportArgumentType]

    assert objective.model is model


def test_the_graph_does_not_depend_on_the_callers_grad_mode() -> None:
    objective = Objective(network(), functional.mse_loss, data())
    expected = objective.gradient()

    with torch.no_grad():
        quiet = Objective(objective.model, functional.mse_loss, data()).gradient()
    with torch.inference_mode():
        silent = objective.gradient()

    assert_close([quiet, silent.clone()], [expected, expected], rtol=0, atol=0)


def test_copies_of_the_model_do_not_matter() -> None:
    model = network()
    objective = Objective(model, functional.mse_loss, data())
    theta = objective.theta

    copy.deepcopy(model).requires_grad_(requires_grad=False)
    theta.zero_()

    assert (objective.theta != 0).any()
