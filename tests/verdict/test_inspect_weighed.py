"""`inspect` where curvature is weighed: groups, preconditioners, decay."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from judged import dense_hessian, mse, problem
from numpy.testing import assert_allclose
from torch import Tensor, nn

import passband as pb
from passband import filters, optim
from passband.errors import NotAFilterError


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


def test_decay_beside_the_preconditioner_is_no_curvature_however_it_was_asked_for() -> None:
    """AdamW, and Adam with its option, in groups that have no common filter."""
    ratios: list[float] = []
    kinds: list[tuple[Callable[..., torch.optim.Optimizer], dict[str, bool]]] = [
        (torch.optim.AdamW, {}),
        (torch.optim.Adam, {"decoupled_weight_decay": True}),
    ]
    for kind, option in kinds:
        model, data = problem()
        groups = [
            {"params": list(layer.parameters()), "betas": (beta, 0.9)}
            for layer, beta in ((model[0], 0.9), (model[2], 0.5))  # pyright: ignore[reportIndexIssue]
        ]
        adam = kind(groups, lr=1e-3, weight_decay=5.0, **option)
        stepped(adam, model, data)
        monitor = pb.Monitor(model, mse, data, adam, every=1, log=None, on_event="silent")
        probe = monitor.look()
        assert probe is not None
        plain = pb.eigenvalues(pb.PreconditionedHessian(pb.Objective(model, mse, data), adam), k=1)
        ratios.append(probe.sharpness / float(plain.values[0]))

    assert ratios == pytest.approx([1.0, 1.0], rel=1e-2)


def test_learning_rates_of_groups_are_part_of_the_preconditioner_and_said_to_be() -> None:
    model, data = problem()
    adam = torch.optim.AdamW(
        [
            {"params": list(model[0].parameters())},  # pyright: ignore[reportIndexIssue]
            {"params": list(model[2].parameters()), "lr": 0.03},  # pyright: ignore[reportIndexIssue]
        ],
        lr=0.01,
        weight_decay=0.0,
    )
    stepped(adam, model, data)

    verdict = pb.inspect(model, mse, data, adam)
    by_hand = pb.judge(  # no warning: the operator weighs the second group
        pb.eigenvalues(pb.PreconditionedHessian(pb.Objective(model, mse, data), adam)),
        pb.filter_of(adam),
    )

    assert by_hand.ratio == pytest.approx(verdict.ratio, rel=1e-3)
    assert "groups differ in lr: P holds them too" in str(verdict)
    assert "lr=0.01" in str(verdict)


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


@pytest.mark.parametrize("lr", [0.1, 0.3])
def test_measured_optimizers_may_have_several_groups(lr: float) -> None:
    model, data = problem()
    *others, last = model.parameters()
    one = torch.optim.Adagrad(model.parameters(), lr=0.1)
    many = torch.optim.Adagrad([{"params": others}, {"params": [last], "lr": lr}], lr=0.1)
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
