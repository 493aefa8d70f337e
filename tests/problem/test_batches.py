"""Which parameters, how a loss is called, and data in every form."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_network import data, network
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from passband.problem import Objective


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
