# pyright: reportArgumentType=false
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from passband.errors import NonFiniteError, NotDeterministicError, PassbandError, PassbandWarning
from passband.problem import Objective

mse = functional.mse_loss
X, Y = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(6, 2)


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def poisoned(value: float) -> list[tuple[Tensor, Tensor]]:
    x = X.clone()
    x[4, 1] = value
    return [(x[:2], Y[:2]), (x[2:4], Y[2:4]), (x[4:], Y[4:])]


class Counter(nn.Linear):
    calls = 0

    @override
    def forward(self, input: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(input) * self.calls


class InPlace(nn.Linear):
    @override
    def forward(self, input: Tensor) -> Tensor:
        hidden = super().forward(input).exp()
        hidden += 1
        return hidden * 2


def no_arguments() -> Tensor:
    return X.sum()


EMPTY = TensorDataset(X[:0], Y[:0])
MIXED = nn.Sequential(linear(), linear().double())
INTEGER = linear()
INTEGER.count = nn.Parameter(torch.tensor([1]), requires_grad=False)


@pytest.mark.parametrize(
    ("error", "words", "make"),
    [
        (
            TypeError,
            r"must be a torch.nn.Module; got 'linear'. .* \(model, loss, data\)|parameter 'model'",
            lambda: Objective("linear", mse, (X, Y)),
        ),
        (ValueError, "at least one batch", lambda: Objective(linear(), mse, [])),
        (ValueError, "one batch", lambda: Objective(linear(), mse, DataLoader(EMPTY))),
        (ValueError, "batch 0 must have samples", lambda: Objective(linear(), mse, (X[:0], Y[:0]))),
        (TypeError, "pair of tensors", lambda: Objective(linear(), mse, X)),
        (TypeError, "pair of tensors .* got ndarray", lambda: Objective(linear(), mse, X.numpy())),
        (TypeError, "torch.as_tensor", lambda: Objective(linear(), mse, [(X.tolist(), Y)])),
        (TypeError, "DataLoader", lambda: Objective(linear(), mse, TensorDataset(X, Y))),
        (ValueError, r"be a pair .* shape \(6, 3\)", lambda: Objective(linear(), mse, [X, X, X])),
        (
            ValueError,
            r"as many samples.* `count=`, .* `loss\(model, batch\)`",
            lambda: Objective(linear(), mse, (X, Y[:5])),
        ),
        (ValueError, "device, cpu; the input", lambda: Objective(linear(), mse, (X.to("meta"), Y))),
        (
            ValueError,
            "device, cpu; the target",
            lambda: Objective(linear(), mse, (X, Y.to("meta"))),
        ),
        (
            ValueError,
            "weight' is torch.float16.*float",
            lambda: Objective(linear().half(), mse, (X, Y)),
        ),
        (ValueError, "is torch.bfloat16", lambda: Objective(linear().bfloat16(), mse, (X, Y))),
        (ValueError, "share one dtype", lambda: Objective(MIXED, mse, (X, Y))),
        (ValueError, "trainable", lambda: Objective(linear().requires_grad_(False), mse, (X, Y))),
        (ValueError, "trainable", lambda: Objective(nn.Flatten(), mse, (X, X))),
        (ValueError, "int64", lambda: Objective(INTEGER, mse, (X, Y), parameters="count")),
        (
            ValueError,
            "did you mean .*weight",
            lambda: Objective(linear(), mse, (X, Y), parameters="wieght"),
        ),
        (ValueError, "at least one", lambda: Objective(linear(), mse, (X, Y), parameters=[])),
        (
            TypeError,
            "names, patterns|parameter 'parameters'",
            lambda: Objective(linear(), mse, (X, Y), parameters=[3]),
        ),
        (
            ValueError,
            "does not",
            lambda: Objective(linear(), mse, (X, Y), parameters=linear().weight),
        ),
        (ValueError, "lazy", lambda: Objective(nn.LazyLinear(2), mse, (X, Y))),
        (
            ValueError,
            "mean over the batch",
            lambda: Objective(linear(), nn.MSELoss(reduction="sum"), (X, Y)),
        ),
        (
            ValueError,
            r"shape \(6, 2\)",
            lambda: Objective(linear(), nn.MSELoss(reduction="none"), (X, Y)),
        ),
        (TypeError, "takes `input` first", lambda: Objective(linear(), mse, {"x": X, "y": Y})),
        (
            TypeError,
            "Give a pair",
            lambda: Objective(linear(), nn.CrossEntropyLoss(), {"x": X, "y": Y}),
        ),
        (TypeError, r"MSELoss\(\)", lambda: Objective(linear(), nn.MSELoss, (X, Y))),
        (TypeError, "callable|parameter 'loss'", lambda: Objective(linear(), "mse", (X, Y))),
        (TypeError, "two arguments", lambda: Objective(linear(), no_arguments, (X, Y))),
        (TypeError, "item", lambda: Objective(linear(), lambda a, b: mse(a, b).item(), (X, Y))),
        (
            ValueError,
            "must depend",
            lambda: Objective(linear(), lambda a, b: mse(a.detach(), b), (X, Y)),
        ),
        ((TypeError, ValueError), "takes", lambda: Objective(linear(), mse, (X, Y), takes="both")),
        (ValueError, "count", lambda: Objective(linear(), mse, (X, Y), count=lambda _: -1)),
        (
            NonFiniteError,
            "loss of batch 0 is nan",
            lambda: Objective(linear(), mse, (X * torch.nan, Y)),
        ),
        (NotDeterministicError, "keeps a state", lambda: Objective(Counter(3, 2), mse, (X, Y))),
        (ValueError, "model.module", lambda: Objective(nn.DataParallel(linear()), mse, (X, Y))),
        (ValueError, "theta", lambda: Objective(linear(), mse, (X, Y)).value(torch.zeros(3))),
    ],
)
def test_wrong_input_is_refused_before_work(
    error: Any, words: str, make: Callable[[], Objective]
) -> None:
    with pytest.raises(error, match=f"(?s){words}"):
        make()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_loss_that_is_not_finite_names_its_batch(value: float) -> None:
    objective = Objective(linear(), mse, poisoned(value))

    for evaluate in (objective.value, objective.gradient):
        with pytest.raises(NonFiniteError, match="batch 2"):
            evaluate()


def test_a_gradient_that_is_not_finite_names_its_parameter() -> None:
    model = linear()
    nn.init.zeros_(model.bias)
    loss: Callable[..., Tensor] = lambda model, batch: (  # noqa: E731
        model.bias.abs().sqrt().mean() + mse(model(batch[0]), batch[1])
    )

    with pytest.raises(NonFiniteError, match=r"gradient of batch 0 .* at bias"):
        Objective(model, loss, (X, Y)).gradient()


def test_parameters_used_past_the_model_are_refused() -> None:
    model = linear()
    weights = list(model.parameters())
    loss: Callable[..., Tensor] = lambda output, target: (  # noqa: E731
        mse(output, target) + weights[0].square().mean()
    )

    with pytest.raises(ValueError, match="past the model it is given: weight"):
        Objective(model, loss, (X, Y))


def test_unused_parameters_have_zero_gradient() -> None:
    model = nn.ModuleDict({"used": linear(), "unused": linear()})
    loss: Callable[..., Tensor] = lambda model, batch: mse(model["used"](batch[0]), batch[1])  # noqa: E731

    objective = Objective(model, loss, (X, Y))

    assert not objective.split(objective.gradient())["unused.weight"].any()


def test_a_loss_that_is_called_the_other_way_is_told_how() -> None:
    with pytest.raises(TypeError, match="not callable") as caught:
        Objective(linear(), lambda m, b: mse(m(b[0]), b[1]), (X, Y))

    assert 'say `takes="model, batch"`' in "".join(caught.value.__notes__)


def test_in_place_operations_are_explained() -> None:
    with pytest.raises(PassbandError, match=r"(?s)in-place operation .* out-of-place form"):
        Objective(InPlace(3, 2), mse, (X, Y)).gradient()


def test_a_loader_with_random_numbers_of_its_own_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("passband.problem.batches.KEPT_BYTES", 10)
    rng = np.random.default_rng(0)

    def collate(rows: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        x, y = (torch.stack(parts) for parts in zip(*rows, strict=True))
        return x + rng.standard_normal(), y

    loader = DataLoader(TensorDataset(X, Y), batch_size=3, collate_fn=collate)

    with pytest.raises(NotDeterministicError, match="batch 0 was different"):
        Objective(linear(), mse, loader)


def test_a_large_iterator_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passband.problem.batches.KEPT_BYTES", 10)

    with pytest.raises(ValueError, match="read only once"):
        Objective(linear(), mse, iter([(X, Y)]))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (nn.MSELoss, r"write `MSELoss\(\)` with brackets"),
        (lambda: torch.zeros(()), "must take two arguments"),
    ],
    ids=["class", "no arguments"],
)
def test_what_is_no_loss_is_refused(loss: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Objective(linear(), loss, (X, Y))


def test_a_choice_of_another_models_parameters_names_the_optimizer() -> None:
    with pytest.raises(ValueError, match="holds none of the model's trainable parameters"):
        Objective(linear(), mse, (X, Y), parameters=lambda _name, _p: False)


def test_a_choice_from_a_frozen_model_says_so() -> None:
    with pytest.raises(ValueError, match="all 2 of the model are frozen"):
        Objective(linear().requires_grad_(False), mse, (X, Y), parameters=lambda _name, _p: False)


@pytest.mark.parametrize(("batch", "left"), [(4, 2), (3, 0)])
def test_samples_that_a_loader_leaves_out_are_told(batch: int, left: int) -> None:
    loader = DataLoader(TensorDataset(X, Y), batch_size=batch, drop_last=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Objective(linear(), mse, loader)
    said = [str(w.message) for w in caught if w.category is PassbandWarning]
    assert len(said) == bool(left)
    assert all(s.startswith(f"`drop_last=True` leaves {left} samples") for s in said)


def test_where_nothing_can_be_differentiated_is_told_so() -> None:
    with torch.inference_mode(), pytest.raises(ValueError, match="Measure outside"):
        Objective(linear(), mse, (X, Y))
    with pytest.raises(ValueError, match="'weight' is on the meta device"):
        Objective(nn.Linear(3, 2, device="meta"), mse, (X, Y))
