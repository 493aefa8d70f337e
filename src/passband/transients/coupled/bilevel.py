"""Bilevel problems: an outer player that looks through the steps of an inner one."""

from typing import Any

from torch import Tensor
from torch.func import grad
from torch.utils import _pytree as pytree

from passband.transients.coupled.players import Player, check_players
from passband.transients.coupled.update import Update


def bilevel(outer: Player, inner: Player, *, steps: int, through: bool = True) -> Update:
    """Return ``N`` warm-started inner steps, then an outer one that is differentiated through them.

    ``y ← y − η_y ∇_y g`` N times, then ``x ← x − η_x dF/dx`` with the y that follows from x. Where
    F_y = 0 or g is quadratic, with ``B = I − η_y g_yy``, ``D = −η_y Σ_{i<N} Bⁱ g_yx`` its matrix
    is ``[[I − η_x(F_xx + F_xy D + Dᵀ F_yx + Dᵀ F_yy D), −η_x(F_xy + Dᵀ F_yy) Bᴺ], [D, Bᴺ]]``.
    With N = 1 it is second-order architecture search; ``through=False`` is the first-order kind.

    Args:
        outer: The upper level, named ``"outer"``: its loss reads ``w["outer"]`` and ``w["inner"]``.
        inner: The lower level, named ``"inner"``, without momentum.
        steps: N.
        through: Whether the outer gradient sees that y follows x.

    References:
        Franceschi et al., *Bilevel programming for hyperparameter optimization and
        meta-learning*, ICML 2018; Liu et al., *DARTS*, ICLR 2019.
    """
    players = check_players({"outer": outer, "inner": inner}, rule="bilevel")
    if not steps >= 1:
        raise ValueError(f"`steps` must be a whole number, 1 or more; got {steps!r}.")
    if inner.momentum:
        raise ValueError(
            "`inner` must have no momentum here: its buffer would have to be differentiated "
            "through as well. Write such a step yourself, for `UpdateJacobian`."
        )

    def follow(x: Any, y: Any) -> Any:
        for _ in range(steps):
            g = inner.gradient("inner", {"outer": x, "inner": y})
            y = pytree.tree_map(lambda y, g: y - inner.lr * g, y, g)
        return y

    def step(state: Any) -> Any:
        x, y = (state[name]["variables"] for name in ("outer", "inner"))
        fixed = None if through else follow(x, y)

        def upper(x: Any) -> tuple[Tensor, Any]:
            after = follow(x, y) if through else fixed
            return outer.loss({"outer": x, "inner": after}), after

        g, after = grad(upper, has_aux=True)(x)
        if outer.weight_decay:
            g = pytree.tree_map(lambda g, x: g + outer.weight_decay * x, g, x)
        return {"outer": outer.move(state["outer"], g), "inner": {"variables": after}}

    name = f"bilevel, {steps} inner steps" + ("" if through else ", first order")
    began = {name: player.begin() for name, player in players.items()}
    cost = 1 + steps + (steps if through else 0)
    return Update(name, step, began, cost)
