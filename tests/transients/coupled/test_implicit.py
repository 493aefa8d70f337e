"""Implicit steps and followers on nonlinear games, against matrices by automatic derivatives."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy import ndarray
from numpy.testing import assert_allclose
from torch import Tensor
from torch.utils import _pytree as pytree

from passband.errors import ConvergenceError
from passband.transients.coupled import (
    Player,
    Update,
    alternating,
    averaged,
    compare,
    competitive,
    follower,
    lookahead,
    proximal,
    simultaneous,
)
from passband.transients.coupled.solve import Implicit, gmres

LRS = {"x": 0.3, "y": 0.2}
SIZES = {"x": 3, "y": 2}
RATES = np.diag([LRS["x"]] * 3 + [LRS["y"]] * 2)
IDENTITY = np.eye(5)


def losses() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    A, B, C = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((4, 3), (4, 2), (3, 2))
    )

    def first(w: Mapping[str, Tensor]) -> Tensor:
        x, y = w["x"], w["y"]
        return torch.log(torch.cosh(A @ x)).sum() + torch.sin(x) @ C @ torch.tanh(y)

    def second(w: Mapping[str, Tensor]) -> Tensor:
        x, y = w["x"], w["y"]
        return (B @ y).square().sum() / 2 + (y**4).sum() - torch.sin(x) @ C @ y

    return {"x": first, "y": second}


def players(at: float = 0.0, **options: Any) -> dict[str, Player]:
    """A game with an equilibrium at zero."""
    generator = torch.Generator().manual_seed(1)
    return {
        name: Player(
            variables=at * torch.randn(SIZES[name], generator=generator, dtype=torch.float64),
            loss=loss,
            lr=LRS[name],
            **options,
        )
        for name, loss in losses().items()
    }


def field_jacobian() -> ndarray:
    """G at the equilibrium, by reverse mode twice."""
    own = losses()

    def field(w: Tensor) -> Tensor:
        x, y = w[:3], w[3:]
        gx = torch.func.grad(lambda x: own["x"]({"x": x, "y": y}))(x)
        gy = torch.func.grad(lambda y: own["y"]({"x": x, "y": y}))(y)
        return torch.cat([gx, gy])

    return torch.func.jacrev(field)(torch.zeros(5, dtype=torch.float64)).numpy()


G = field_jacobian()
OFF = G.copy()
OFF[:3, :3], OFF[3:, 3:] = 0, 0
PLAIN = IDENTITY - RATES @ G


@pytest.mark.parametrize(
    ("update", "matrix"),
    [
        (competitive(players()), IDENTITY - RATES @ np.linalg.solve(IDENTITY + OFF @ RATES, G)),
        (proximal(players()), np.linalg.inv(IDENTITY + RATES @ G)),
        (
            lookahead(proximal(players()), k=2, alpha=0.3),
            0.7 * IDENTITY + 0.3 * np.linalg.matrix_power(np.linalg.inv(IDENTITY + RATES @ G), 2),
        ),
    ],
    ids=["competitive", "proximal", "lookahead of proximal"],
)
def test_matrix_of_the_nonlinear_step(update: Update, matrix: ndarray) -> None:
    assert_allclose(update.jacobian().dense().numpy(), matrix, atol=1e-10)


def test_an_average_follows_the_step() -> None:
    J = averaged(simultaneous(players()), tau=0.1).jacobian()
    order = np.concatenate(
        [
            np.arange(leaf.start, leaf.stop)
            for key in ("variables", "average")
            for leaf in J.leaves
            if key in leaf.name
        ]
    )

    found = J.dense().numpy()[np.ix_(order, order)]

    expected = np.block([[PLAIN, np.zeros((5, 5))], [0.1 * PLAIN, 0.9 * IDENTITY]])
    assert_allclose(found, expected, atol=1e-10)


def test_a_follower_has_the_matrix_of_an_average() -> None:
    """Gradients of the others in the first turn, the follower's in the second."""
    game = players()
    x = Player(variables=game["x"].variables, loss=lambda w: w["x"].square().sum(), lr=0.1)
    target = follower("target", of="x", variables=x.variables, tau=0.2)

    found = alternating({"x": x, "target": target}).jacobian().dense().numpy()

    eye = np.eye(3)
    assert_allclose(found, np.block([[0.8 * eye, 0 * eye], [0.16 * eye, 0.8 * eye]]), atol=1e-12)


def test_a_proximal_step_solves_its_equation_far_from_the_equilibrium() -> None:
    began = proximal(players(at=2.0))

    after = began.after(1).state

    w, u = ({n: s[n]["variables"] for n in s} for s in (began.state, after))
    for name, player in players().items():
        back = u[name] + LRS[name] * player.gradient(name, u)
        assert_allclose(back.numpy(), w[name].numpy(), atol=1e-9)


def test_a_proximal_step_solves_its_equation_at_a_kink() -> None:
    """Newton's steps jump to and fro over the minimum of a smoothed |x| until they are cut."""

    def rounded(w: Mapping[str, Tensor]) -> Tensor:
        return (w["x"].square() + 1e-4).sqrt().sum()

    w = torch.tensor([0.5, -0.3, 2.0], dtype=torch.float64)

    u = proximal({"x": Player(variables=w, loss=rounded, lr=1.0)}).after(1).state["x"]["variables"]

    assert_allclose(u + u / (u.square() + 1e-4).sqrt(), w, atol=1e-9)


def test_a_proximal_step_without_solution_is_refused() -> None:
    """``u − exp u`` is at most −1, and ``u − u`` is 0."""

    def downhill(w: Mapping[str, Tensor]) -> Tensor:
        return -w["x"].exp().sum()

    def saddle(w: Mapping[str, Tensor]) -> Tensor:
        return -w["x"].square().sum() / 2

    one = torch.ones(1, dtype=torch.float64)
    for loss in (downhill, saddle):
        with pytest.raises(ConvergenceError, match="smaller learning rates"):
            proximal({"x": Player(variables=one, loss=loss, lr=1.0)}).after(1)

    compared = compare({"x": Player(variables=one, loss=saddle, lr=1.0)})
    names = [row.update.name for row in compared.rows]
    assert "proximal" not in names
    assert "extragradient" in names


def test_a_competitive_step_solves_its_game() -> None:
    began = competitive(players(at=1.0))
    w = {name: own["variables"] for name, own in began.state.items()}

    after = began.after(1).state

    moves = {name: after[name]["variables"] - w[name] for name in w}
    known = players()
    for name, other in (("x", "y"), ("y", "x")):

        def gradient(v: Tensor, name: str = name, other: str = other) -> Tensor:
            return known[name].gradient(name, {**w, other: v})

        answer = torch.func.jacrev(gradient)(w[other]) @ moves[other]
        expected = -LRS[name] * (known[name].gradient(name, w) + answer)
        assert_allclose(moves[name].numpy(), expected.numpy(), atol=1e-10)


@pytest.mark.parametrize("make", [competitive, proximal], ids=["competitive", "proximal"])
def test_derivatives_hold_away_from_the_equilibrium_and_with_momentum(make: Any) -> None:
    """`UpdateJacobian` compares with difference quotients."""
    assert make(players(at=0.5)).jacobian().movement > 1e-2
    assert make(players(at=0.5, momentum=0.5)).jacobian().size == 10


@pytest.mark.parametrize("make", [competitive, proximal], ids=["competitive", "proximal"])
def test_a_step_that_is_differentiated_is_the_same_step(make: Any) -> None:
    update = make(players(at=0.5))
    followed = pytree.tree_map(lambda v: v.clone().requires_grad_(), update.state)

    for plain, tracked in zip(
        pytree.tree_leaves(update.step(update.state)),
        pytree.tree_leaves(update.step(followed)),
        strict=True,
    ):
        assert_allclose(tracked.detach().numpy(), plain.numpy(), atol=1e-9)


def test_costs_count_every_product() -> None:
    assert competitive(players()).gradients > 2 * (1 + 2)
    assert proximal(players()).gradients > 2 * (2 + 2)


def test_implicit_steps_are_compared_where_they_can_be_taken() -> None:
    names = [row.update.name for row in compare(players()).rows]
    assert names[-2:] == ["proximal", "competitive"]

    one = {
        "x": Player(variables=torch.zeros(2), loss=lambda w: w["x"].square().sum() / 2, lr=0.1),
    }
    names = [row.update.name for row in compare(one).rows]
    assert "competitive" not in names
    assert "proximal" in names


def test_gmres_against_a_direct_solution() -> None:
    generator = torch.Generator().manual_seed(3)
    A = torch.eye(20, dtype=torch.float64) + 0.3 * torch.randn(
        20, 20, generator=generator, dtype=torch.float64
    )
    b = torch.randn(20, generator=generator, dtype=torch.float64)

    found = gmres(lambda v: A @ v, b, rtol=1e-12, most=50)

    assert_allclose(found.x.numpy(), np.linalg.solve(A.numpy(), b.numpy()), rtol=1e-9)
    assert found.products <= 21
    assert found.residual < 1e-11
    assert gmres(lambda v: A @ v, 0 * b, rtol=1e-12, most=50).products == 0


def test_a_system_without_solution_is_refused() -> None:
    def multiply(v: Tensor, *, adjoint: bool) -> Tensor:
        del adjoint  # it is symmetric
        return v * torch.tensor([1.0, 0.0])

    system = Implicit(multiply)
    with pytest.raises(ConvergenceError, match="smaller learning"):
        system.solve(torch.tensor([1.0, 1.0]))


def test_refusals() -> None:
    with pytest.raises(ValueError, match="two players"):
        competitive({"x": players()["x"]})
    with pytest.raises(ValueError, match="`tau`"):
        averaged(simultaneous(players()), tau=0.0)
    with pytest.raises(ValueError, match="another player"):
        follower("x", of="x", variables=torch.zeros(2), tau=0.1)
