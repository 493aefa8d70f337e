"""The orders in which players move, and the remedies against what their coupling does.

With the field ``v = (∇_x f, ∇_y g)``, its Jacobian G, the learning rates Λ and ``M = ΛG``, each
is linear near an equilibrium; the matrix is in its docstring, without momentum.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch.func import vjp
from torch.utils import _pytree as pytree

from passband.transients.coupled.players import Players, check_players
from passband.transients.coupled.update import Update


def simultaneous(players: Players) -> Update:
    """Return gradient descent of all players at once: ``I − M``.

    Example:
        >>> import torch
        >>> from passband.transients.coupled import Player
        >>> players = {
        ...     "x": Player(
        ...         variables=torch.zeros(1), loss=lambda w: (w["x"] * w["y"]).sum(), lr=0.1
        ...     ),
        ...     "y": Player(
        ...         variables=torch.zeros(1), loss=lambda w: -(w["x"] * w["y"]).sum(), lr=0.1
        ...     ),
        ... }
        >>> simultaneous(players).jacobian().dense()
        tensor([[ 1.0000, -0.1000],
                [ 0.1000,  1.0000]])
    """
    known = check_players(players, rule="simultaneous")
    return Update("simultaneous", partial(_along, known, _field), _begin(known), len(known))


def alternating(
    players: Players,
    *,
    order: Sequence[str] | None = None,
    repeats: Mapping[str, int] | None = None,
) -> Update:
    """Return players that move one after the other, each seeing what the others have done.

    ``S_x S_yᵏ`` for k steps of y, then one of x, ``S_x = [[I − M₁₁, −M₁₂], [0, I]]``.

    Args:
        players: By name.
        order: Who moves when; the order of ``players``, if not given.
        repeats: Steps of some players at their turn: k critic steps, ``{"critic": k}``.
    """
    known = check_players(players, rule="alternating")
    turns, counts = list(order or known), dict(repeats or {})
    for name in [*turns, *counts]:
        if name not in known:
            raise ValueError(f"there is no player {name!r}. Known: {sorted(known)}.")
    for name, count in counts.items():
        if not count >= 1:
            raise ValueError(f"`repeats` must be 1 or more; got {count!r} for {name!r}.")
    moves = [name for name in turns for _ in range(counts.get(name, 1))]

    def step(state: Any) -> Any:
        for name in moves:
            g = known[name].gradient(name, _variables(state))
            state = {**state, name: known[name].move(state[name], g)}
        return state

    more = "".join(f", {count} of {name}" for name, count in counts.items())
    return Update(f"alternating{more}", step, _begin(known), len(moves))


def extragradient(players: Players) -> Update:
    """Return steps along the field half a step ahead: ``I − M + M²``.

    References:
        Korpelevich, *The extragradient method*, Matekon 1977.
    """
    known = check_players(players, rule="extragradient")

    def ahead(players: Players, w: Mapping[str, Any]) -> dict[str, Any]:
        g = _field(players, w)
        return _field(players, {name: _step(w[name], g[name], players[name].lr) for name in w})

    return Update("extragradient", partial(_along, known, ahead), _begin(known), 2 * len(known))


def optimistic(players: Players) -> Update:
    """Return steps along ``2 v(w) − v(w_prev)``: ``[[I − 2M, M], [I, 0]]``, with memory.

    One gradient a step and player, where the last one is kept.

    References:
        Popov, Math. Notes 28, 1980; Daskalakis et al., *Training GANs with optimism*, ICLR 2018.
    """
    known = check_players(players, rule="optimistic")

    def step(state: Any) -> Any:
        w = _variables(state)
        now, last = (
            _field(known, w),
            _field(known, {n: own["previous"] for n, own in state.items()}),
        )
        moved = {}
        for name, player in known.items():
            d = pytree.tree_map(lambda g, before: 2 * g - before, now[name], last[name])
            moved[name] = {**player.move(state[name], d), "previous": w[name]}
        return moved

    began = {name: {**own, "previous": own["variables"]} for name, own in _begin(known).items()}
    copies = pytree.tree_map(lambda x: x.clone(), began)
    return Update("optimistic", step, copies, len(known))


def consensus(players: Players, *, strength: float) -> Update:
    """Return descent of the losses and of ``γ/2 ‖v‖²`` by all: ``I − Λ(G + γ GᵀG)``.

    Args:
        players: By name.
        strength: γ, zero or above.

    References:
        Mescheder et al., *The numerics of GANs*, NeurIPS 2017.
    """
    known = check_players(players, rule="consensus")
    _check_strength(strength)

    def direction(players: Players, w: Mapping[str, Any]) -> dict[str, Any]:
        v, pull, *_ = vjp(partial(_field, players), dict(w))
        return _plus(v, pull(v)[0], strength)

    name = f"consensus({strength:g})"
    return Update(name, partial(_along, known, direction), _begin(known), 2 * len(known))


def symplectic(players: Players, *, strength: float) -> Update:
    """Return symplectic gradient adjustment: ``I − Λ(I + γAᵀ)G``, ``A = (G − Gᵀ)/2``.

    Args:
        players: By name.
        strength: γ, zero or above.

    References:
        Balduzzi et al., *The mechanics of n-player differentiable games*, ICML 2018.
    """
    known = check_players(players, rule="symplectic")
    _check_strength(strength)

    def direction(players: Players, w: Mapping[str, Any]) -> dict[str, Any]:
        v, pull, *_ = vjp(partial(_field, players), dict(w))

        def adjoint(u: Any) -> Any:
            return pull(u)[0]

        backward, push, *_ = vjp(adjoint, v)
        forward = push(v)[0]
        turned = pytree.tree_map(lambda a, b: (a - b) / 2, backward, forward)
        return _plus(v, turned, strength)

    name = f"symplectic({strength:g})"
    return Update(name, partial(_along, known, direction), _begin(known), 3 * len(known))


def _along(
    players: Players, direction: Callable[[Players, Mapping[str, Any]], Any], state: Any
) -> dict[str, Any]:
    """Return all states after steps along directions found where all are."""
    d = direction(players, _variables(state))
    return {name: player.move(state[name], d[name]) for name, player in players.items()}


def _field(players: Players, w: Mapping[str, Any]) -> dict[str, Any]:
    return {name: player.gradient(name, w) for name, player in players.items()}


def _variables(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: own["variables"] for name, own in state.items()}


def _begin(players: Players) -> dict[str, Any]:
    return {name: player.begin() for name, player in players.items()}


def _step(x: Any, g: Any, lr: float) -> Any:
    return pytree.tree_map(lambda x, g: x - lr * g, x, g)


def _plus(first: Any, second: Any, factor: float) -> Any:
    return pytree.tree_map(lambda a, b: a + factor * b, first, second)


def _check_strength(strength: float) -> None:
    if not 0 <= strength < float("inf"):
        raise ValueError(f"`strength` must be zero or positive, and finite; got {strength!r}.")
