"""Copies that follow slowly: exponential moving averages and target networks."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from passband.transients.coupled.players import Player
from passband.transients.coupled.update import Update


def averaged(update: Update, *, tau: float) -> Update:
    """Return an update that keeps an exponential moving average: ``[[J, 0], [τJ, (1 − τ)I]]``.

    ``average ← average + τ (variables − average)`` after every step; nothing reads it. A critic
    that learns from its own average has a `follower` instead.

    Args:
        update: The steps between.
        tau: Share of the new variables, one minus the decay.

    References:
        Polyak and Juditsky, SIAM J. Control Optim. 30, 1992; for generators Yazıcı et al., *The
        unusual effectiveness of averaging in GAN training*, ICLR 2019.
    """
    _check_tau(tau)

    def step(state: Any) -> Any:
        moving = {
            name: {key: value for key, value in own.items() if key != "average"}
            for name, own in state.items()
        }
        after = update.step(moving)
        return {
            name: {**own, "average": _between(state[name]["average"], own["variables"], tau)}
            for name, own in after.items()
        }

    began = {
        name: {**own, "average": pytree.tree_map(torch.clone, own["variables"])}
        for name, own in update.state.items()
    }
    return Update(f"{update.name}, averaged({tau:g})", step, began, update.gradients)


def follower(name: str, *, of: str, variables: Any, tau: float) -> Player:
    """Return a player that follows another: a target network.

    ``y ← y + τ (x − y)`` is descent of ``‖y − x‖² / 2`` at the rate τ; `alternating`, with the
    leader first, follows the x that has just moved, as is usual. Losses of other players read it
    under its name.

    Args:
        name: Its name among the players.
        of: Name of the player to follow.
        variables: Where it begins, a nest like the leader's.
        tau: Share of the new variables, one minus the decay.

    Example:
        >>> import torch
        >>> from passband.transients.coupled import Player, alternating, follower
        >>> x = Player(variables=torch.ones(1), loss=lambda w: w["x"].square().sum() / 2, lr=0.5)
        >>> y = follower("y", of="x", variables=torch.ones(1), tau=0.1)
        >>> alternating({"x": x, "y": y}).jacobian().dense()
        tensor([[0.5000, 0.0000],
                [0.0500, 0.9000]])

    References:
        Lillicrap et al., *Continuous control with deep reinforcement learning*, ICLR 2016.
    """
    _check_tau(tau)
    if name == of:
        raise ValueError(f"`of` must be another player; got {of!r} for both.")

    def distance(w: Mapping[str, Any]) -> Tensor:
        pairs = zip(pytree.tree_leaves(w[name]), pytree.tree_leaves(w[of]), strict=True)
        return torch.stack([(y - x).square().sum() / 2 for y, x in pairs]).sum()

    return Player(variables=variables, loss=distance, lr=tau)


def _between(first: Any, second: Any, tau: float) -> Any:
    return pytree.tree_map(lambda a, b: a + tau * (b - a), first, second)


def _check_tau(tau: float) -> None:
    if not 0 < tau <= 1:
        raise ValueError(f"`tau` must lie in (0, 1]; got {tau!r}.")
