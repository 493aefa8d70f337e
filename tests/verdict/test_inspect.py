"""`inspect` goes from model, loss, data and optimizer to a verdict, without a trace."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor, nn

import passband as pb
from passband import filters, optim
from passband.errors import NonFiniteError, NotAFilterError

mse = nn.functional.mse_loss


def problem(*, hidden: int = 5) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, hidden), nn.Tanh(), nn.Linear(hidden, 2)).double()
    return model, (torch.randn(20, 3).double(), torch.randn(20, 2).double())


def dense_hessian(model: nn.Module, data: tuple[Tensor, Tensor]) -> Tensor:
    """The Hessian by automatic differentiation of another kind."""
    names = dict(model.named_parameters())
    theta = torch.cat([p.detach().reshape(-1) for p in names.values()])

    def loss(theta: Tensor) -> Tensor:
        parts = theta.split([p.numel() for p in names.values()])
        weights = {n: w.view(p.shape) for (n, p), w in zip(names.items(), parts, strict=True)}
        return mse(torch.func.functional_call(model, weights, (data[0],)), data[1])

    return torch.autograd.functional.hessian(loss, theta)  # pyright: ignore[reportReturnType]


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


def test_groups_with_their_own_learning_rates_and_decays() -> None:
    model, data = problem()
    first, second = model[0], model[2]  # pyright: ignore[reportIndexIssue]
    sgd = torch.optim.SGD(
        [
            {"params": list(first.parameters()), "lr": 0.1, "weight_decay": 0.5},
            {"params": list(second.parameters()), "lr": 2.0},
        ],
        lr=1.0,
        momentum=0.5,
    )
    sizes = [sum(p.numel() for p in layer.parameters()) for layer in (first, second)]
    lr = torch.tensor([0.1] * sizes[0] + [2.0] * sizes[1]).double()
    decay = torch.tensor([0.5] * sizes[0] + [0.0] * sizes[1]).double()
    felt = lr.sqrt()[:, None] * (dense_hessian(model, data) + decay.diag()) * lr.sqrt()

    verdict = pb.inspect(model, mse, data, sgd, rtol=1e-8)

    assert verdict.edge == pytest.approx(3.0)
    assert_allclose(verdict.sharpness, torch.linalg.eigvalsh(felt)[-1].item(), rtol=1e-7)
    assert "learning rates" in str(verdict)


def test_groups_without_a_common_filter_say_so_before_any_product() -> None:
    model, data = problem()
    groups: list[dict[str, Any]] = [
        {"params": list(model[0].parameters()), "momentum": 0.1},  # pyright: ignore[reportIndexIssue]
        {"params": list(model[2].parameters())},  # pyright: ignore[reportIndexIssue]
    ]
    sgd = torch.optim.SGD(groups, lr=0.1, momentum=0.9)

    with pytest.raises(NotAFilterError, match=r"differ in momentum.*parameters="):
        pb.inspect(model, mse, data, sgd)
    one = pb.inspect(model, mse, data, sgd, parameters="2.*")

    assert one.edge == pytest.approx(38.0)


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


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop])
def test_adaptive_ones_are_judged_in_preconditioned_curvature(
    kind: Callable[..., torch.optim.Optimizer], decay: float
) -> None:
    model, data = problem()
    optimizer = kind(model.parameters(), lr=1e-3, weight_decay=decay)
    for _ in range(5):
        optimizer.zero_grad()
        mse(model(data[0]), data[1]).backward()
        optimizer.step()
    p0 = torch.cat([_denominator(optimizer, p).reshape(-1) for p in model.parameters()])
    coupled = 0.0 if kind is torch.optim.AdamW else decay
    hessian = dense_hessian(model, data) + coupled * torch.eye(len(p0)).double()
    truth = torch.linalg.eigvalsh(hessian / p0.sqrt()[:, None] / p0.sqrt())[-1].item()

    verdict = pb.inspect(model, mse, data, optimizer, rtol=1e-6)

    assert verdict.sharpness == pytest.approx(truth, rel=1e-5)
    expected = 2000.0 if kind is torch.optim.RMSprop else 38_000.0
    shrink = 19 * decay if kind is torch.optim.AdamW else 0.0
    assert verdict.edge == pytest.approx(expected - shrink, rel=1e-9)
    assert verdict.distance is not None
    assert "preconditioned" in str(verdict)


@pytest.mark.parametrize("kind", ["Adam", "RMSprop", "two learning rates"])
def test_the_distance_of_an_optimizer_that_weighs_is_that_of_the_weights(kind: str) -> None:
    """Displaced from the minimum of a quadratic along the sharpest mode, by a known length."""
    torch.manual_seed(0)
    x, y = torch.randn(30, 6).double(), torch.randn(30, 1).double()
    model = nn.Sequential(nn.Linear(6, 1).double())
    weight, bias = model.parameters()
    made: dict[str, Any] = {
        "Adam": lambda: torch.optim.Adam([weight, bias], lr=1e-2),
        "RMSprop": lambda: torch.optim.RMSprop([weight, bias], lr=1e-3),
        "two learning rates": lambda: torch.optim.SGD(
            [{"params": [weight], "lr": 0.01}, {"params": [bias], "lr": 0.2}]
        ),
    }
    optimizer = made[kind]()
    for _ in range(5):
        optimizer.zero_grad()
        mse(model(x), y).backward()
        optimizer.step()
    if kind == "two learning rates":
        weigh = torch.tensor(6 * [0.01] + [0.2]).double()
    else:
        weigh = 1 / torch.cat([_denominator(optimizer, p).reshape(-1) for p in (weight, bias)])
    inputs = torch.cat([x, torch.ones(30, 1).double()], dim=1)
    minimum = torch.linalg.lstsq(inputs, y).solution[:, 0]
    hessian = 2 / 30 * inputs.T @ inputs
    mode = torch.linalg.eigh(weigh.sqrt()[:, None] * hessian * weigh.sqrt())[1][:, -1]
    away = weigh.sqrt() * mode
    away *= 1e-3 / away.norm()
    torch.nn.utils.vector_to_parameters(minimum + away, [weight, bias])

    verdict = pb.inspect(model, mse, (x, y), optimizer, rtol=1e-9)
    probe = pb.Monitor(model, mse, (x, y), optimizer, log=None).look()

    assert verdict.distance == pytest.approx(1e-3, rel=1e-6)
    assert verdict.applies is True
    assert probe is not None
    assert probe.distance * (minimum + away).norm().item() == pytest.approx(1e-3, rel=1e-3)


def _denominator(optimizer: torch.optim.Optimizer, p: Tensor) -> Tensor:
    state = optimizer.state[p]
    if "square_avg" in state:
        return state["square_avg"].sqrt() + 1e-8
    return (state["exp_avg_sq"] / (1 - 0.999 ** int(state["step"]))).sqrt() + 1e-8


def stepped(optimizer: torch.optim.Optimizer, model: nn.Module, data: Any) -> None:
    for _ in range(3):
        optimizer.zero_grad()
        mse(model(data[0]), data[1]).backward()
        optimizer.step()


def test_curvature_of_one_kind_is_not_held_against_an_edge_of_the_other() -> None:
    model, data = problem()
    adam = torch.optim.AdamW(model.parameters(), lr=1e-2)
    stepped(adam, model, data)
    objective = pb.Objective(model, mse, data)
    plain, own = pb.Hessian(objective), pb.PreconditionedHessian(objective, adam)
    edge = pb.filter_of(adam)

    for refused in (
        lambda: pb.judge(pb.eigenvalues(plain), edge),
        lambda: pb.suggest(adam, pb.eigenvalues(plain)),
        lambda: pb.inspect(model, mse, data, edge),
    ):
        with pytest.raises(ValueError, match="preconditioned curvature"):
            refused()

    verdict = pb.inspect(model, mse, data, adam)
    assert pb.judge(pb.eigenvalues(own), edge).ratio == pytest.approx(verdict.ratio, rel=1e-3)
    proposed = pb.suggest(adam, verdict, ratio=0.5)
    assert proposed.sharpness == verdict.sharpness
    assert "not what to train with" in str(proposed)


def test_the_usual_groups_of_a_transformer_are_judged_at_the_largest_decay() -> None:
    model, data = problem()
    biases = [p for p in model.parameters() if p.ndim < 2]
    weights = [p for p in model.parameters() if p.ndim > 1]
    groups = [{"params": weights, "weight_decay": 0.1}, {"params": biases, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=1e-2)
    stepped(adam, model, data)

    verdict = pb.inspect(model, mse, data, adam)

    assert verdict.edge == filters.AdamW(lr=1e-2, weight_decay=0.1).edge
    assert f"{filters.AdamW(lr=1e-2, weight_decay=0).edge:.6g}" in str(verdict)


def test_a_bias_before_a_normalization_is_named() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 2))
    data = torch.randn(40, 4), torch.randn(40, 2)
    adam = torch.optim.Adam(model.parameters(), lr=1e-2)
    stepped(adam, model, data)

    trained, evaluated = (
        pb.inspect(model.train(mode), mse, data, adam, k=1) for mode in (True, False)
    )

    assert "lie in '0.bias'" in str(evaluated)
    assert "lie in" not in str(trained)
    assert evaluated.sharpness > 100 * trained.sharpness


def test_sharpness_awareness_over_an_adaptive_optimizer_has_no_verdict() -> None:
    model, data = problem()
    aware = optim.SharpnessAware(torch.optim.AdamW(model.parameters()), rho=0.1)

    with pytest.raises(NotAFilterError, match="no modes in common"):
        pb.inspect(model, mse, data, aware)
    with pytest.raises(NotAFilterError, match=r"SharpnessAware over AdamW .* Take its `base`"):
        pb.filter_of(aware)


def test_a_finished_schedule_says_which_rate_to_set() -> None:
    model, data = problem()

    with pytest.raises(NotAFilterError, match="Set the group's `lr`"):
        pb.inspect(model, mse, data, torch.optim.SGD(model.parameters(), lr=0.0))


def test_an_adaptive_optimizer_that_never_stepped_has_no_preconditioner() -> None:
    model, data = problem()

    with pytest.raises(NotAFilterError, match="Take a step first"):
        pb.inspect(model, mse, data, torch.optim.Adam(model.parameters()))


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


@pytest.mark.parametrize("lr", [0.1, 0.3])
def test_measured_optimizers_may_have_several_groups(lr: float) -> None:
    model, data = problem()
    groups: Any = [{"params": [p]} for p in model.parameters()]
    one = torch.optim.Adagrad(model.parameters(), lr=0.1)
    many = torch.optim.Adagrad([*groups[:-1], {**groups[-1], "lr": lr}], lr=0.1)
    for optimizer in (one, many):
        mse(model(data[0]), data[1]).backward()
        optimizer.step()

    if lr == 0.1:
        many.load_state_dict(
            {**one.state_dict(), "param_groups": many.state_dict()["param_groups"]}
        )
        expected, found = (pb.inspect(model, mse, data, optimizer) for optimizer in (one, many))
        assert found.ratio == pytest.approx(expected.ratio, rel=1e-6)
    else:
        with pytest.raises(NotAFilterError, match=r"groups differ in measured M\(λ\)"):
            pb.inspect(model, mse, data, many)
