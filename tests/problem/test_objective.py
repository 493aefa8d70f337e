import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from passband.problem import Objective, fixed_randomness

Batch = tuple[Tensor, Tensor]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def data(n: int = 10) -> Batch:
    g = torch.Generator().manual_seed(1)
    x, y = (torch.randn(n, width, generator=g, dtype=torch.float64) for width in (3, 2))
    return x, y


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


def test_frozen_parameters_stay_out() -> None:
    model = network()
    model[0].requires_grad_(requires_grad=False)

    objective = Objective(model, functional.mse_loss, data())

    assert objective.names == ("2.weight", "2.bias")
    assert objective.size == 10


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        self.second.weight = self.first.weight

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))


@pytest.mark.parametrize("choice", [None, "second.weight", "*"])
def test_tied_parameters_count_once_and_feel_both_uses(choice: str | None) -> None:
    model, x = Tied().double(), data()[0]

    objective = Objective(model, functional.mse_loss, (x, x), parameters=choice)

    (expected,) = torch.autograd.grad(functional.mse_loss(model(x), x), model.first.weight)
    assert objective.size == 9
    assert_close(objective.gradient(), expected.reshape(-1))


@pytest.mark.parametrize(
    "choose",
    [
        lambda _: "2.*",
        lambda _: ["2.bias", "2.weight"],
        lambda model: model[2].parameters(),
        lambda _: lambda name, _: name.startswith("2"),
    ],
)
def test_parameters_are_chosen(choose: Callable[[nn.Module], Any]) -> None:
    model = network()

    objective = Objective(model, functional.mse_loss, data(), parameters=choose(model))

    assert list(objective.split(objective.theta)) == ["2.weight", "2.bias"]
    assert_close(
        objective.split(objective.theta)["2.bias"],
        dict(model.named_parameters())["2.bias"].detach(),
    )


def test_one_parameter_can_be_chosen() -> None:
    model = network()
    bias = dict(model.named_parameters())["2.bias"]

    assert Objective(model, functional.mse_loss, data(), parameters=bias).size == 2


def test_losses_of_model_and_batch() -> None:
    model, (x, y) = network(), data()
    batches = [{"inputs": x[:7], "targets": y[:7]}, {"inputs": x[7:], "targets": y[7:]}]

    def penalized(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        penalty = sum(p.square().sum() for p in model.parameters())
        return functional.mse_loss(model(batch["inputs"]), batch["targets"]) + 0.1 * penalty

    objective = Objective(model, penalized, batches)

    plain = Objective(model, functional.mse_loss, (x, y))
    assert objective.value() == pytest.approx(plain.value() + 0.1 * objective.theta.square().sum())
    assert_close(objective.gradient(), plain.gradient() + 0.2 * objective.theta)


def test_how_a_loss_is_called_can_be_said() -> None:
    model, (x, y) = network(), data()

    objective = Objective(
        model, lambda m, b: functional.mse_loss(m(b[0]), b[1]), (x, y), takes="model, batch"
    )

    expected = Objective(model, functional.mse_loss, (x, y)).value()
    assert objective.value() == pytest.approx(expected, rel=1e-14)


def test_batches_count_as_told() -> None:
    model, (x, y) = network(), data()
    batches = [(x[:5], y[:5]), (x[5:], y[5:])]

    objective = Objective(
        model, functional.mse_loss, batches, count=lambda b: 3.0 if b[0] is batches[0][0] else 1.0
    )

    one, two = (Objective(model, functional.mse_loss, batch).value() for batch in batches)
    assert objective.value() == pytest.approx(0.75 * one + 0.25 * two)


def test_loaders_lists_iterators_and_pairs_agree() -> None:
    model, (x, y) = network(), data()
    batches = [(x[:4], y[:4]), (x[4:8], y[4:8]), (x[8:], y[8:])]
    loader = DataLoader(TensorDataset(x, y), batch_size=4, shuffle=True)

    values = [
        Objective(model, functional.mse_loss, given).value()
        for given in ((x, y), [x, y], batches, tuple(batches), loader, iter(batches))
    ]

    assert values == pytest.approx([values[0]] * 6, rel=1e-14)


def test_a_loader_too_large_to_keep_yields_the_same_in_every_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("passband.problem.batches.KEPT_BYTES", 100)
    model, (x, y) = network(), data()
    own = torch.Generator().manual_seed(5)
    state = own.get_state()
    loader = DataLoader(TensorDataset(x, y), batch_size=4, shuffle=True, generator=own)
    objective = Objective(model, functional.mse_loss, loader)

    first = [b.batch[0] for _, b in objective.batches()]
    unmoved = torch.equal(own.get_state(), state)
    list(loader)  # an epoch of training
    second = [b.batch[0] for _, b in objective.batches()]

    assert unmoved
    assert_close(first, second, rtol=0, atol=0)
    assert objective.value() == pytest.approx(
        Objective(model, functional.mse_loss, (x, y)).value(), rel=1e-14
    )


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
