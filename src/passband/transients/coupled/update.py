"""An update: a functional step, where it starts, and what it costs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from passband.operators import UpdateJacobian


@final
@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """A coupled training step.

    Attributes:
        name: What it is called in tables.
        step: From a state to the next one, differentiable.
        state: Where it starts: by player, its variables and what else it remembers.
        gradients: Gradient evaluations of one step, those of all players counted; a product with
            second derivatives counts as one, as it does in `passband.filters`.
    """

    name: str
    step: Callable[[Any], Any]
    state: Any
    gradients: float

    def jacobian(self, *, check: bool = True) -> UpdateJacobian:
        """Return the Jacobian of the step where it starts."""
        return UpdateJacobian(self.step, self.state, check=check)

    def after(self, steps: int) -> "Update":
        """Return the same update, started where ``steps`` of it lead."""
        if not steps >= 0:
            raise ValueError(f"`steps` must not be negative; got {steps!r}.")
        state = self.state
        for _ in range(steps):
            state = pytree.tree_map_only(Tensor, torch.Tensor.detach, self.step(state))
        return replace(self, state=state)


def lookahead(update: Update, *, k: int = 5, alpha: float = 0.5) -> Update:
    """Return ``k`` steps, then a part of the way back: ``(1 − ζ) I + ζ Jᵏ``.

    Args:
        update: The steps between.
        k: How many, 1 or more.
        alpha: How much of them is kept, ``0 < ζ ≤ 1``; ζ as in `passband.filters.Lookahead`.

    References:
        Zhang et al., *Lookahead optimizer*, NeurIPS 2019; for games Chavdarova et al., ICLR 2021.
    """
    if not k >= 1:
        raise ValueError(f"`k` must be a whole number, 1 or more; got {k!r}.")
    if not 0 < alpha <= 1:
        raise ValueError(f"`alpha` must lie in (0, 1]; got {alpha!r}.")

    def step(state: Any) -> Any:
        ahead = state
        for _ in range(k):
            ahead = update.step(ahead)
        return pytree.tree_map(lambda slow, fast: slow + alpha * (fast - slow), state, ahead)

    name = f"lookahead({k}, {alpha:g}) of {update.name}"
    return Update(name, step, update.state, k * update.gradients)
