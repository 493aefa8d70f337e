"""Updates on quadratic games against the matrices they are known to have."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy import ndarray
from numpy.testing import assert_allclose
from torch import Tensor

from passband.transients.coupled import (
    Player,
    Update,
    alternating,
    bilevel,
    consensus,
    extragradient,
    lookahead,
    optimistic,
    placed,
    simultaneous,
    symplectic,
    with_ratio,
)

N, M = 3, 2
LRS = (0.1, 0.03)


def random(seed: int, *shape: int) -> ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def hessian(seed: int, n: int) -> ndarray:
    return random(seed, n, n) @ random(seed, n, n).T


P, R = hessian(0, N), hessian(1, M)
Q, S = random(2, N, M), random(3, M, N)  # f_xy and g_yx
G = np.block([[P, Q], [S, R]])
RATES = np.diag([LRS[0]] * N + [LRS[1]] * M)
IDENTITY = np.eye(N + M)


def players(**options: Any) -> dict[str, Player]:
    p, q, r, s = (torch.from_numpy(matrix) for matrix in (P, Q, R, S))

    def first(w: Mapping[str, Tensor]) -> Tensor:
        return w["x"] @ p @ w["x"] / 2 + w["x"] @ q @ w["y"]

    def second(w: Mapping[str, Tensor]) -> Tensor:
        return w["y"] @ r @ w["y"] / 2 + w["y"] @ s @ w["x"]

    x, y = torch.from_numpy(random(4, N)), torch.from_numpy(random(5, M))
    return {
        "x": Player(variables=x, loss=first, lr=LRS[0], **options),
        "y": Player(variables=y, loss=second, lr=LRS[1], **options),
    }


def ordered(update: Update, *keys: str) -> ndarray:
    """The Jacobian with all variables first, then the rest by the keys given."""
    J = update.jacobian()
    places = {leaf.name: np.arange(leaf.start, leaf.stop) for leaf in J.leaves}
    names = [f"{player}.{key}" for key in ("variables", *keys) for player in ("x", "y")]
    order = np.concatenate([places[name] for name in names])
    return J.dense().numpy()[np.ix_(order, order)]


def turn(first: bool) -> ndarray:
    chosen = np.diag([float(first)] * N + [float(not first)] * M)
    return IDENTITY - chosen @ RATES @ G


FIELD = RATES @ G
SKEW = (G - G.T) / 2


@pytest.mark.parametrize(
    ("make", "matrix"),
    [
        (simultaneous, IDENTITY - FIELD),
        (lambda p: alternating(p, order=("y", "x")), turn(True) @ turn(False)),
        (alternating, turn(False) @ turn(True)),
        (
            lambda p: alternating(p, order=("y", "x"), repeats={"y": 4}),
            turn(True) @ np.linalg.matrix_power(turn(False), 4),
        ),
        (extragradient, IDENTITY - FIELD + FIELD @ FIELD),
        (lambda p: consensus(p, strength=0.2), IDENTITY - RATES @ (G + 0.2 * G.T @ G)),
        (lambda p: symplectic(p, strength=0.3), IDENTITY - RATES @ (G + 0.3 * SKEW.T @ G)),
        (
            lambda p: lookahead(simultaneous(p), k=3, alpha=0.4),
            0.6 * IDENTITY + 0.4 * np.linalg.matrix_power(IDENTITY - FIELD, 3),
        ),
        (
            lambda p: simultaneous(with_ratio(p, "y", 0.5)),
            IDENTITY - np.diag([1.0] * N + [0.5] * M) @ FIELD,
        ),
    ],
    ids=["simultaneous", "y first", "x first", "critic", "extra", "cons", "sga", "look", "ratio"],
)
def test_matrix_without_memory(
    make: Callable[[dict[str, Player]], Update], matrix: ndarray
) -> None:
    assert_allclose(ordered(make(players())), matrix, atol=1e-13)


def test_optimistic_remembers_the_last_variables() -> None:
    zero = np.zeros_like(IDENTITY)

    found = ordered(optimistic(players()), "previous")

    assert_allclose(found, np.block([[IDENTITY - 2 * FIELD, FIELD], [IDENTITY, zero]]), atol=1e-13)


def test_weight_decay_is_part_of_the_field() -> None:
    found = ordered(simultaneous(players(weight_decay=0.5)))

    assert_allclose(found, IDENTITY - RATES @ (G + 0.5 * IDENTITY), atol=1e-13)


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 0.9},
        {"momentum": -0.3},
        {"momentum": 0.9, "dampening": 0.4},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.5, "weight_decay": 0.1},
    ],
    ids=str,
)
def test_momentum_is_that_of_torch(options: dict[str, Any]) -> None:
    """One player, and torch's optimizer stepping unit vectors, its buffer as a displacement."""
    curvature = torch.from_numpy(P)
    start = torch.from_numpy(random(6, N))

    def loss(w: Mapping[str, Tensor]) -> Tensor:
        return w["x"] @ curvature @ w["x"] / 2

    player = Player(variables=start, loss=loss, lr=0.1, **options)
    J = simultaneous({"x": player}).jacobian()

    columns: list[Tensor] = []
    for unit in torch.eye(2 * N, dtype=torch.float64):
        theta = unit[:N].clone().requires_grad_()
        allowed: dict[str, Any] = {**options, "momentum": 0.5}  # negative is refused by torch
        optimizer = torch.optim.SGD([theta], lr=0.1, **allowed)
        optimizer.param_groups[0]["momentum"] = options["momentum"]
        optimizer.state[theta]["momentum_buffer"] = unit[N:] / 0.1
        loss({"x": theta}).backward()
        optimizer.step()
        buffer = optimizer.state[theta]["momentum_buffer"]
        columns.append(torch.cat([theta.detach(), 0.1 * buffer]))
    assert_allclose(J.dense().numpy(), torch.stack(columns, dim=1).numpy(), atol=1e-12)


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("through", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_bilevel_is_its_formula(steps: int, through: bool, decay: float) -> None:
    alpha, beta = LRS
    f_xx, f_yy, f_xy = hessian(7, N), hessian(8, M), random(9, N, M)
    g_yy, g_yx = R, S
    F = [torch.from_numpy(matrix) for matrix in (f_xx, f_yy, f_xy)]
    g = [torch.from_numpy(matrix) for matrix in (g_yy, g_yx)]

    def upper(w: Mapping[str, Tensor]) -> Tensor:
        x, y = w["outer"], w["inner"]
        return x @ F[0] @ x / 2 + y @ F[1] @ y / 2 + x @ F[2] @ y

    def lower(w: Mapping[str, Tensor]) -> Tensor:
        x, y = w["outer"], w["inner"]
        return y @ g[0] @ y / 2 + y @ g[1] @ x

    outer = Player(
        variables=torch.ones(N, dtype=torch.float64), loss=upper, lr=alpha, weight_decay=decay
    )
    inner = Player(variables=torch.ones(M, dtype=torch.float64), loss=lower, lr=beta)
    kind = {} if through else {"through": False}
    update = bilevel(outer, inner, steps=steps, **kind)

    B = np.eye(M) - beta * g_yy
    powers = [np.linalg.matrix_power(B, i) for i in range(steps + 1)]
    D = -beta * sum(powers[:-1]) @ g_yx
    if through:
        first = f_xx + f_xy @ D + D.T @ f_xy.T + D.T @ f_yy @ D
        second = (f_xy + D.T @ f_yy) @ powers[-1]
    else:
        first, second = f_xx + f_xy @ D, f_xy @ powers[-1]
    first += decay * np.eye(N)
    expected = np.block([[np.eye(N) - alpha * first, -alpha * second], [D, powers[-1]]])
    assert_allclose(update.jacobian().dense().numpy(), expected, atol=1e-12)
    # one above and one a step below; going back through a step is a product, worth one
    assert update.gradients == 1 + steps * (2 if through else 1)


def test_nests_of_tensors_and_gradients_in_their_shapes() -> None:
    def loss(w: Mapping[str, Any]) -> Tensor:
        return (w["x"]["weight"] @ w["y"][0]).square().sum() + w["x"]["bias"].sum() ** 2

    variables = {"weight": torch.randn(2, 3), "bias": torch.randn(2)}
    game = {
        "x": Player(variables=variables, loss=loss, lr=0.01, momentum=0.5),
        "y": Player(variables=[torch.randn(3)], loss=lambda w: -loss(w), lr=0.01),
    }

    J = extragradient(game).jacobian()

    names = [leaf.name for leaf in J.leaves]
    assert names == [
        "x.variables.weight",
        "x.variables.bias",
        "x.displacement.weight",
        "x.displacement.bias",
        "y.variables.0",
    ]
    assert J.parts == {"x": slice(0, 16), "y": slice(16, 19)}


def test_after_some_steps_it_is_where_they_lead() -> None:
    update = simultaneous(players())

    later = update.after(7)

    w = np.concatenate([random(4, N), random(5, M)])
    expected = np.linalg.matrix_power(IDENTITY - FIELD, 7) @ w
    found = torch.cat([later.state[name]["variables"] for name in ("x", "y")])
    assert_allclose(found.numpy(), expected, atol=1e-12)
    assert later.gradients == update.gradients == 2
    there = simultaneous(placed(players(), later.state))
    assert_allclose(there.state["x"]["variables"], later.state["x"]["variables"], rtol=0)
    with pytest.raises(ValueError, match="`state` must be one of"):
        placed(players(), {"x": later.state["x"]})


def test_one_step_ahead_and_all_of_it_is_the_step() -> None:
    update = simultaneous(players())

    found = lookahead(update, k=1, alpha=1.0)

    expected = update.jacobian().dense().numpy()
    assert_allclose(found.jacobian().dense().numpy(), expected, atol=1e-15)
    assert found.gradients == update.gradients


def test_a_product_with_second_derivatives_counts_as_one_gradient() -> None:
    """As in the filters: beside the field consensus has GᵀV, symplectic GᵀV and GV."""
    assert consensus(players(), strength=0.1).gradients == 2 * 2
    assert symplectic(players(), strength=0.1).gradients == 2 * 3


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: players(momentum=1.0), "`momentum` must lie"),
        (lambda: players(momentum=float("nan")), "`momentum` must lie"),
        (lambda: players(dampening=0.1), "`dampening` needs"),
        (lambda: players(momentum=0.5, dampening=-float("inf")), "`dampening` must be finite"),
        (lambda: players(nesterov=True), "`nesterov` needs"),
        (lambda: players(weight_decay=-1.0), "`weight_decay`"),
        (lambda: players(weight_decay=float("inf")), "zero or positive, and finite; got inf"),
        (lambda: with_ratio(players(), "z", 0.5), "no player 'z'"),
        (lambda: with_ratio(players(), "y", 0.0), "`tau`"),
        (lambda: alternating(players(), repeats={"z": 2}), "no player 'z'"),
        (lambda: alternating(players(), repeats={"y": 0}), "1 or more"),
        (lambda: consensus(players(), strength=-1.0), "`strength`"),
        (lambda: symplectic(players(), strength=float("inf")), "zero or positive, and finite"),
        (lambda: lookahead(simultaneous(players()), k=0), "`k`"),
        (lambda: lookahead(simultaneous(players()), alpha=2.0), "`alpha`"),
        (lambda: bilevel(*players().values(), steps=0), "`steps`"),
        (lambda: bilevel(*players(momentum=0.5).values(), steps=1), "no momentum"),
        (lambda: simultaneous(players()).after(-1), "`steps`"),
    ],
)
def test_refusals(work: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        work()


def test_refuses_what_is_no_player() -> None:
    with pytest.raises(TypeError, match="dict of players"):
        simultaneous({})
    wrong: Any = {"x": 3}
    with pytest.raises(TypeError, match="player 'x' must be a Player; got int"):
        simultaneous(wrong)
    with pytest.raises(TypeError, match="`loss` must be a function"):
        Player(variables=torch.ones(1), loss=wrong, lr=0.1)
    with pytest.raises(ValueError, match="`lr`"):
        Player(variables=torch.ones(1), loss=lambda w: w["x"].sum(), lr=-0.1)
