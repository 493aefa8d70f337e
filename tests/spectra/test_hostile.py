"""Models, data and numbers that break other tools, all the way from the model to the answer."""

import math
from collections.abc import Callable, Iterator
from inspect import unwrap
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from typing_extensions import override

from passband.errors import (
    NonFiniteError,
    NotDeterministicError,
    PassbandError,
    UnconvergedWarning,
)
from passband.operators import GaussNewton, Hessian, MatrixOperator
from passband.problem import Objective
from passband.spectra import eigenvalues

X, Y = torch.randn(2, 24, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def network(*extra: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), *extra, nn.Linear(6, 4)).double()


def sharpness(model: nn.Module, data: Any = (X, Y)) -> float:
    objective = Objective(model, functional.mse_loss, data)
    return float(eigenvalues(Hessian(objective), k=1, verify=False).values[0])


class Doubles(nn.Module):
    """Overwrites what its predecessor needs for its derivative."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x.mul_(2)


def test_an_operation_in_place_is_named_before_work_is_lost() -> None:
    with pytest.raises(PassbandError, match="out-of-place form"):
        sharpness(network(Doubles()))


@pytest.mark.parametrize("layer", [nn.ReLU(inplace=True), nn.Dropout(0.0, inplace=True)])
def test_harmless_operations_in_place_change_nothing(layer: nn.Module) -> None:
    linear = nn.Linear(6, 6)
    plain = nn.ReLU() if isinstance(layer, nn.ReLU) else nn.Identity()

    assert sharpness(network(linear, layer)) == pytest.approx(sharpness(network(linear, plain)))


@pytest.mark.parametrize("extra", [nn.Dropout(0.5), nn.BatchNorm1d(6)], ids=["dropout", "norm"])
def test_training_mode_is_one_fixed_function(extra: nn.Module) -> None:
    model = network(extra).train()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    batches = list(zip(X.split(10), Y.split(10), strict=True))

    first, second = sharpness(model, batches), sharpness(model, batches)
    evaluated = sharpness(model.eval(), batches)

    assert first == second
    assert first != pytest.approx(evaluated, rel=1e-3)  # the mode is the user's choice
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_refused_with_a_remedy(dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match=r"copy.deepcopy\(model\).float\(\)"):
        sharpness(network().to(dtype), (X.to(dtype), Y.to(dtype)))


def test_a_weight_that_is_nan_ends_it_before_any_product() -> None:
    model = network()
    with torch.no_grad():
        next(model.parameters())[0, 0] = math.nan

    with pytest.raises(NonFiniteError, match="batch 0"):
        sharpness(model)


def test_no_trainable_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match="must have a trainable parameter"):
        sharpness(network().requires_grad_(False))


def test_a_loader_that_shuffles_gives_one_answer() -> None:
    data = TensorDataset(X, Y)
    ordered = sharpness(network(), DataLoader(data, batch_size=7))

    for loader in (DataLoader(data, 7, shuffle=True), DataLoader(data, 7, shuffle=True)):
        assert sharpness(network(), loader) == pytest.approx(ordered, rel=1e-9)


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    """New samples in every pass, with random numbers that nobody else can seed."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(0)

    @override
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for x, y in zip(X, Y, strict=True):
            yield x + torch.randn(4, generator=self.generator), y


def test_a_stream_too_large_to_keep_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passband.problem.batches.KEPT_BYTES", 100)
    stream: Dataset[Any] = Stream()

    with pytest.raises(NotDeterministicError, match="different in two passes"):
        sharpness(network(), DataLoader(stream, batch_size=8))


def test_more_accuracy_than_single_precision_has_is_answered_clearly() -> None:
    model, x, y = network().float(), X.float(), Y.float()
    H = Hessian(Objective(model, functional.mse_loss, (x, y)))

    with pytest.warns(UnconvergedWarning, match=r"finer than torch.float32 can give"):
        s = eigenvalues(H, rtol=1e-10)

    exact = Hessian(Objective(model.double(), functional.mse_loss, (x.double(), y.double())))
    truth = torch.linalg.eigvalsh(exact.dense()).flip(0)[:3]
    assert ((s.values - truth).abs() <= s.errors).all()
    assert "cannot give rtol=1e-10" in s.evidence


@pytest.mark.parametrize("operator", [Hessian, GaussNewton])
def test_one_parameter(operator: Callable[[Objective], Any]) -> None:
    model = nn.Linear(1, 1, bias=False).double()
    objective = Objective(model, functional.mse_loss, (X[:, :1], Y[:, :1]))

    s = eigenvalues(operator(objective), k=1)

    assert float(s.values[0]) == pytest.approx(2 * float((X[:, 0] ** 2).mean()))
    assert s.verified


def test_fewer_samples_than_parameters_leave_zeros() -> None:
    model = nn.Linear(4, 1, bias=False).double()
    H = Hessian(Objective(model, functional.mse_loss, (X[:2], Y[:2, :1])))

    s = eigenvalues(H, k=4)

    assert (s.values > -1e-12).all()
    assert s.values[2:].abs().max() < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_huge_gaps_keep_honest_bars(dtype: torch.dtype) -> None:
    values = torch.tensor([1e8, 1e4, 1.0, *[1e-4] * 20], dtype=torch.float64)
    Q = torch.linalg.qr(torch.randn(23, 23, dtype=torch.float64))[0]
    matrix = ((Q * values) @ Q.T).to(dtype)
    truth = torch.linalg.eigvalsh(matrix.double()).flip(0)[:3]

    s = eigenvalues(MatrixOperator((matrix + matrix.T) / 2, symmetric=True))

    assert ((s.values.double() - truth).abs() <= s.errors.double() * (1 + 1e-6)).all()


def test_a_matrix_is_told_how_it_becomes_an_operator() -> None:
    A = np.eye(3)

    with pytest.raises(TypeError, match=r"MatrixOperator\(torch\.as_tensor\(matrix\)\)"):
        unwrap(eigenvalues)(A)
    with pytest.raises(TypeError, match=r"as_tensor\(matrix\)|parameter 'matrix'"):
        MatrixOperator(cast(Any, A))
