"""Updates that are defined by an equation: competitive descent and the proximal point method.

Their linear systems are solved by products alone, to a residual that is stated; derivatives come
from the implicit function theorem, not from differentiating the iterations.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.func import vjp
from torch.utils import _pytree as pytree

from passband._shapes import Float
from passband.errors import ConvergenceError
from passband.transients.coupled.players import Players, check_players
from passband.transients.coupled.solve import Implicit
from passband.transients.coupled.update import Update

_ROUNDS, _HALVINGS = 30, 12


def competitive(players: Players) -> Update:
    """Return competitive descent: ``I − Λ(I + G_off Λ)⁻¹ G``, at one rate ``I − η(I + ηG_off)⁻¹G``.

    Every player moves to the equilibrium of the game that is bilinear in the moves, with
    ``‖move‖² / 2η`` as its price: it knows how the others are going to answer. G_off is the
    Jacobian of the field without what each player does to itself.

    Costs one solution by GMRES a step, to a relative residual of ``eps^0.75``; `Update.gradients`
    is measured where the players are.

    Args:
        players: By name, two or more.

    Raises:
        ConvergenceError: When a step cannot solve its system.

    References:
        Schäfer and Anandkumar, *Competitive gradient descent*, NeurIPS 2019.
    """
    known = check_players(players, rule="competitive")
    if len(known) < 2:
        raise ValueError(f"`competitive` needs two players or more; got {len(known)}.")
    flat = _Flat(known)

    def move(w: Tensor) -> Tensor:
        here = w.detach()
        _, push, pull = flat.field(here, coupling_only=True)
        system = _shifted(flat.rates, push, pull)
        step = flat.rates * flat.values(w)
        d = system.solve(step.detach())
        if not w.requires_grad:
            return d
        coupled = flat.field(w, coupling_only=True)[1]
        return system.follow(d, step - d - flat.rates * coupled(d))

    _, push, pull = flat.field(flat.begin.detach(), coupling_only=True)
    products = _products(_shifted(flat.rates, push, pull), flat.begin)
    cost = len(known) * (1 + products)
    return Update("competitive", partial(_moved, known, flat, move), flat.state, cost)


def proximal(players: Players) -> Update:
    """Return implicit descent, along the field where it leads: ``(I + M)⁻¹``.

    ``w⁺ = w − Λ v(w⁺)``, by Newton's method with GMRES; stable at every equilibrium whose field
    is monotone, whatever the rates.

    Costs one or two linear solutions a step near an equilibrium, more far from it, to a relative
    residual of ``eps^0.75``; `Update.gradients` is that of one, measured where the players are.

    Args:
        players: By name.

    Raises:
        ConvergenceError: When a step cannot solve its equation.

    References:
        Rockafellar, *Monotone operators and the proximal point algorithm*, SIAM J. Control Optim.
        14, 1976.
    """
    known = check_players(players, rule="proximal")
    flat = _Flat(known)

    def move(w: Tensor) -> Tensor:
        u, system = _newton(flat, w.detach())
        if not w.requires_grad:
            return w - u
        return w - system.follow(u, w)  # of the residual w − u − Λ v(u), at the u found

    _, push, pull = flat.field(flat.begin.detach())
    products = _products(_shifted(flat.rates, push, pull), flat.begin)
    cost = len(known) * (2 + products)
    return Update("proximal", partial(_moved, known, flat, move), flat.state, cost)


class _Flat:
    """The field of players as a function of one vector."""

    def __init__(self, players: Players) -> None:
        self._players = players
        self.state = {name: player.begin() for name, player in players.items()}
        variables = {name: own["variables"] for name, own in self.state.items()}
        leaves, self._tree = pytree.tree_flatten(variables)
        self._shapes = [leaf.shape for leaf in leaves]
        self._sizes = [leaf.numel() for leaf in leaves]
        self.begin = self.join(variables)
        rates = {
            name: pytree.tree_map(partial(torch.full_like, fill_value=players[name].lr), own)
            for name, own in variables.items()
        }
        self.rates = self.join(rates)

    def join(self, nest: Any) -> Float[Tensor, " n"]:
        return torch.cat([leaf.reshape(-1) for leaf in pytree.tree_leaves(nest)])

    def split(self, w: Float[Tensor, " n"]) -> dict[str, Any]:
        parts = zip(w.split(self._sizes), self._shapes, strict=True)
        return pytree.tree_unflatten([part.view(shape) for part, shape in parts], self._tree)

    def values(self, w: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return the field ``v(w)``."""
        nest = self.split(w)
        return self.join({name: p.gradient(name, nest) for name, p in self._players.items()})

    def field(
        self, w: Float[Tensor, " n"], *, coupling_only: bool = False
    ) -> tuple[Tensor, Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
        """Return ``v(w)``, and products with its Jacobian and the transpose of it.

        Args:
            w: Where.
            coupling_only: Whether to hold constant what each player does to itself.
        """

        def coupling(u: Tensor) -> Tensor:
            seen, own = self.split(u), self.split(w)
            return self.join(
                {
                    name: player.gradient(name, {**seen, name: own[name]})
                    for name, player in self._players.items()
                }
            )

        value, pull, *_ = vjp(coupling if coupling_only else self.values, w)

        def backward(u: Tensor) -> Tensor:
            return pull(u)[0]

        push = vjp(backward, torch.zeros_like(w))[1]

        def forward(v: Tensor) -> Tensor:
            return push(v)[0]

        return value, forward, backward


def _shifted(
    rates: Tensor, push: Callable[[Tensor], Tensor], pull: Callable[[Tensor], Tensor]
) -> Implicit:
    """Return ``I + ΛG`` as a system."""

    def multiply(v: Tensor, *, adjoint: bool) -> Tensor:
        product = pull(rates * v) if adjoint else rates * push(v)
        return (v + product).detach()

    return Implicit(multiply)


def _newton(flat: _Flat, w: Tensor) -> tuple[Tensor, Implicit]:
    """Return the solution of ``u + Λ v(u) = w``, and the system of its derivative."""
    norm = torch.linalg.vector_norm
    u, accuracy = w, torch.finfo(w.dtype).eps ** 0.75
    value, push, pull = flat.field(u)
    residual = (u + flat.rates * value - w).detach()
    wanted = accuracy * max(float(norm(residual)), float(norm(w)) * accuracy)
    for _ in range(_ROUNDS):
        system = _shifted(flat.rates, push, pull)
        size = float(norm(residual))
        if not size > wanted:
            return u, system
        step, factor = system.solve(residual), 1.0
        for _ in range(_HALVINGS):
            trial = u - factor * step
            value, push, pull = flat.field(trial)
            left = (trial + flat.rates * value - w).detach()
            if float(norm(left)) < size:
                break
            factor /= 2
        else:
            if size <= 100 * torch.finfo(w.dtype).eps * float(norm(w)):  # rounding
                return u, system
            break
        u, residual = trial, left
    raise ConvergenceError(
        f"a proximal step was solved to {float(norm(residual)):.1e} only; {wanted:.0e} was asked. "
        "Use smaller learning rates.",
        best=u,
    )


def _moved(
    players: Players, flat: _Flat, move: Callable[[Tensor], Tensor], state: Any
) -> dict[str, Any]:
    """Return all states after a move, which momentum may carry on."""
    w = flat.join({name: own["variables"] for name, own in state.items()})
    directions = flat.split(move(w) / flat.rates)
    return {name: player.move(state[name], directions[name]) for name, player in players.items()}


def _products(system: Implicit, like: Tensor) -> int:
    """Return how many products a solution takes here."""
    generator = torch.Generator().manual_seed(0)
    b = torch.randn(like.numel(), generator=generator, dtype=like.dtype).to(like.device)
    with suppress(ConvergenceError):  # the step will say so
        system.solve(b)
    return system.products
