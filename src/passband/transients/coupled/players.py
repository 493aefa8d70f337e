"""Players: what each one moves, what it minimizes, and how."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor
from torch.func import grad
from torch.utils import _pytree as pytree

Loss = Callable[[Mapping[str, Any]], Tensor]


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Player:
    """One side of a coupled system, descending its own loss as ``torch.optim.SGD`` does.

    Args:
        variables: What it moves: a tensor, or any nest of tensors.
        loss: Its loss as a function of the variables of all players by name:
            ``lambda w: f(w["x"], w["y"])``. Negate what is maximized.
        lr: Learning rate, above zero.
        momentum: Momentum factor, in (-1, 1). The buffer is kept as a displacement, ``lr · v``:
            in the units of the variables, so that norms of the whole state make sense.
        dampening: Fraction of the gradient kept out of the buffer. Needs momentum.
        nesterov: Look ahead along the buffer. Needs momentum above zero and no dampening.
        weight_decay: Added to the gradient, times the variables; zero or above.

    Raises:
        TypeError: If ``loss`` is not a function.
        ValueError: If a number is out of range.
    """

    variables: Any
    loss: Loss
    lr: float
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if not callable(self.loss):
            raise TypeError(f"`loss` must be a function; got {type(self.loss).__name__}.")
        if not 0 < self.lr < math.inf:
            raise ValueError(f"`lr` must be positive and finite; got {self.lr!r}.")
        if not 0 <= abs(self.momentum) < 1:  # negative momentum is a remedy in games
            raise ValueError(f"`momentum` must lie in (-1, 1); got {self.momentum!r}.")
        if not math.isfinite(self.dampening):
            raise ValueError(f"`dampening` must be finite; got {self.dampening!r}.")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(
                f"`weight_decay` must be zero or positive, and finite; got {self.weight_decay!r}."
            )
        if self.dampening and not self.momentum:
            raise ValueError("`dampening` needs `momentum`; torch ignores it without.")
        if self.nesterov and (self.momentum <= 0 or self.dampening):
            raise ValueError("`nesterov` needs `momentum` and no `dampening`, as in torch.")

    def begin(self) -> dict[str, Any]:
        """Return the state in which it begins, with its buffer at rest."""
        variables = pytree.tree_map_only(Tensor, torch.Tensor.detach, self.variables)
        if not self.momentum:
            return {"variables": variables}
        resting = pytree.tree_map(torch.zeros_like, variables)
        return {"variables": variables, "displacement": resting}

    def move(self, own: Mapping[str, Any], direction: Any) -> dict[str, Any]:
        """Return its state after a step along a gradient."""
        step = pytree.tree_map(lambda g: self.lr * g, direction)
        if not self.momentum:
            return {**own, "variables": _minus(own["variables"], step)}
        kept = pytree.tree_map(
            lambda u, g: self.momentum * u + (1 - self.dampening) * g, own["displacement"], step
        )
        ahead = (
            pytree.tree_map(lambda g, u: g + self.momentum * u, step, kept)
            if self.nesterov
            else kept
        )
        return {**own, "variables": _minus(own["variables"], ahead), "displacement": kept}

    def gradient(self, name: str, w: Mapping[str, Any]) -> Any:
        """Return the gradient of its loss by its own variables."""

        def loss(own: Any) -> Tensor:
            return self.loss({**w, name: own})

        g = grad(loss)(w[name])
        if not self.weight_decay:
            return g
        return pytree.tree_map(lambda g, x: g + self.weight_decay * x, g, w[name])


Players = Mapping[str, Player]


def check_players(players: Players, *, rule: str) -> dict[str, Player]:
    """Return the players, if there are some."""
    if not isinstance(players, Mapping) or not players:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"`{rule}` needs a dict of players by name; got {players!r}. Write "
            '`{"x": Player(...), "y": Player(...)}`.'
        )
    for name, player in players.items():
        if not isinstance(player, Player):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"player {name!r} must be a Player; got {type(player).__name__}.")
    return dict(players)


def with_ratio(players: Players, name: str, tau: float) -> dict[str, Player]:
    """Return the players with one learning rate multiplied: another ratio of time scales.

    Args:
        players: By name.
        name: Whose rate.
        tau: The factor.
    """
    known = check_players(players, rule="with_ratio")
    if name not in known:
        raise ValueError(f"there is no player {name!r}. Known: {sorted(known)}.")
    if not 0 < tau < math.inf:
        raise ValueError(f"`tau` must be positive and finite; got {tau!r}.")
    return {**known, name: replace(known[name], lr=tau * known[name].lr)}


def placed(players: Players, state: Mapping[str, Any]) -> dict[str, Player]:
    """Return the players where a state has them, for instance after training.

    Args:
        players: By name.
        state: Of an update of these players: ``simultaneous(players).after(1000).state``.
    """
    known = check_players(players, rule="placed")
    if set(state) != set(known):
        raise ValueError(f"`state` must be one of {sorted(known)}; got {sorted(state)}.")
    return {name: replace(p, variables=state[name]["variables"]) for name, p in known.items()}


def _minus(first: Any, second: Any) -> Any:
    return pytree.tree_map(lambda a, b: a - b, first, second)
