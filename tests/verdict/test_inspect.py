"""`inspect` goes from model, loss, data and optimizer to a verdict, without a trace."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from judged import dense_hessian, mse, problem
from torch import Tensor, nn

import passband as pb
from passband import filters, optim
from passband.errors import NonFiniteError, NotAFilterError


def test_equals_the_dense_spectrum_under_the_closed_form() -> None:
    model, data = problem()
    sgd = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.5)
    truth = torch.linalg.eigvalsh(dense_hessian(model, data))

    verdict = pb.inspect(model, mse, data, sgd, k=2, rtol=1e-6)

    found = [mode.curvature for mode in verdict.modes]
    errors = [mode.error for mode in verdict.modes]
    expected = [*truth[-2:].flip(0).tolist(), *truth[:2].flip(0).tolist()]
    for value, error, true in zip(found, errors, expected, strict=True):
        assert abs(value - true) <= error + 1e-12
    assert verdict.edge == pytest.approx(6.0)
    assert verdict.ratio == pytest.approx(float(truth[-1]) / 6.0, rel=1e-5)


def test_the_gradient_norm_includes_weight_decay() -> None:
    model, data = problem()
    decay = 0.3
    sgd = torch.optim.SGD(model.parameters(), lr=0.5, weight_decay=decay)
    penalty = sum((p**2).sum() for p in model.parameters())
    total = mse(model(data[0]), data[1]) + decay / 2 * penalty
    gradient = torch.autograd.grad(total, list(model.parameters()))
    norm = torch.cat([g.reshape(-1) for g in gradient]).norm()

    verdict = pb.inspect(model, mse, data, sgd)

    assert verdict.gradient_norm == pytest.approx(float(norm), rel=1e-12)


def test_decay_that_is_decoupled_counts_as_what_vanishes_at_rest() -> None:
    """AdamW rests where ``P⁻¹∇f + ωθ = 0``."""
    model, data = problem()
    adam = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.5)
    mse(model(data[0]), data[1]).backward()
    adam.step()
    params = list(model.parameters())
    gradient = torch.autograd.grad(mse(model(data[0]), data[1]), params)
    root = [(adam.state[p]["exp_avg_sq"] / (1 - 0.999)).sqrt() + 1e-8 for p in params]
    rest = [g + 0.5 * r * p for g, r, p in zip(gradient, root, params, strict=True)]

    verdict = pb.inspect(model, mse, data, adam)

    assert verdict.gradient_norm == pytest.approx(
        float(torch.cat([r.detach().reshape(-1) for r in rest]).norm()), rel=1e-9
    )
    assert any("∇f + ωPθ" in note for note in verdict.notes)


@pytest.mark.parametrize("decay", ["coupled", "loss"])
def test_sam_is_frozen_at_the_norm_that_its_ascent_is_divided_by(decay: Any) -> None:
    model, data = problem()
    sam = optim.SAM(model.parameters(), 0.1, 0.05, weight_decay=0.3, decay=decay)
    objective = pb.Objective(model, mse, data)
    gradient = objective.value_and_gradient()[1]
    climbed = gradient + (0.3 * objective.theta if decay == "loss" else 0)

    verdict = pb.inspect(model, mse, data, sam)

    expected = pb.filter_of(sam, gradient_norm=float(climbed.norm()))
    assert verdict.edge == pytest.approx(expected.edge, rel=1e-9)


def test_leaves_no_trace() -> None:
    model, data = problem()
    model(data[0]).sum().backward()
    sgd = torch.optim.SGD(model.parameters(), lr=0.5)
    before = copy.deepcopy(model.state_dict())
    grads = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    random_state = torch.get_rng_state()

    pb.inspect(model, mse, data, sgd)

    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    for p, g in zip(model.parameters(), grads, strict=True):
        assert p.grad is not None
        assert torch.equal(p.grad, g)
    assert torch.equal(random_state, torch.get_rng_state())


def test_only_what_the_optimizer_holds_is_inspected() -> None:
    model, data = problem()
    sgd = torch.optim.SGD(model[2].parameters(), lr=0.1)  # pyright: ignore[reportIndexIssue]
    features = model[1](model[0](data[0])).detach()  # pyright: ignore[reportIndexIssue]
    ones = torch.ones(len(features), 1).double()
    gram = torch.cat([features, ones], 1)

    verdict = pb.inspect(model, mse, data, sgd)

    truth = torch.linalg.eigvalsh(gram.T @ gram / len(features))[-1].item()  # 2 outputs, mean
    assert verdict.sharpness == pytest.approx(truth, rel=1e-4)


def test_sam_is_frozen_at_the_measured_gradient_norm() -> None:
    model, data = problem()
    sam = optim.SAM(model.parameters(), lr=0.04, rho=0.03)

    verdict = pb.inspect(model, mse, data, sam)

    assert isinstance(verdict.filter, filters.SAM)
    assert verdict.filter.gradient_norm == verdict.gradient_norm


def test_a_filter_stands_in_for_an_optimizer() -> None:
    model, data = problem()

    verdict = pb.inspect(model, mse, data, filters.USAM(lr=0.1, rho=1.0))

    assert verdict.edge == filters.USAM(lr=0.1, rho=1.0).edge


@pytest.mark.parametrize("size", [1, 2, 3])
def test_works_from_one_parameter_up(size: int) -> None:
    model = nn.Linear(size, 1, bias=False).double()
    data = (torch.eye(size).double(), torch.zeros(size, 1).double())
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)

    verdict = pb.inspect(model, mse, data, sgd)

    assert verdict.sharpness == pytest.approx(2 / size)


def _nan_loss(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).sum() * float("nan")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda a: a.update(loss=_nan_loss), NonFiniteError, "batch"),
        (lambda a: a.update(data=[]), ValueError, "data"),
        (lambda a: a.update(k=0), ValueError, "`k` must be"),
        (
            lambda a: a.update(
                optimizer=torch.optim.Rprop(a["optimizer"].param_groups[0]["params"])
            ),
            NotAFilterError,
            "Rprop is not linear",
        ),
        (
            lambda a: a.update(optimizer=torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)),
            ValueError,
            "parameters",
        ),
    ],
    ids=["nan loss", "no data", "k = 0", "no filter", "another model's optimizer"],
)
def test_bad_input_is_told_before_the_work(
    change: Callable[[dict[str, Any]], None], error: type[Exception], message: str
) -> None:
    model, data = problem()
    arguments: dict[str, Any] = {"loss": mse, "data": data, "k": 3}
    arguments["optimizer"] = torch.optim.SGD(model.parameters(), lr=0.1)
    change(arguments)
    loss, data, optimizer, k = (arguments[n] for n in ("loss", "data", "optimizer", "k"))

    with pytest.raises(error, match=message):
        pb.inspect(model, loss, data, optimizer, k=k)


def test_the_loss_is_called_and_batches_count_as_they_are_told() -> None:
    model = nn.Linear(2, 1, bias=False)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = [(torch.tensor([[2.0, 0.0]]), 3), (torch.tensor([[0.0, 1.0]]), 1)]

    def loss(m: Any, batch: Any) -> Tensor:  # curvature 8, counted three times of four; and 2
        return m(batch[0]).square().sum()

    options: dict[str, Any] = {"takes": "model, batch", "count": lambda batch: batch[1]}
    verdict = pb.inspect(model, loss, batches, sgd, **options)
    assert verdict.sharpness == pytest.approx(6.0, rel=1e-4)

    sgd.param_groups[0]["lr"] = 2 / 6 * 1.01
    found = pb.doctor(model, sgd, batches, loss=loss, **options).findings
    assert any("1.01 times the edge" in finding.what for finding in found)
