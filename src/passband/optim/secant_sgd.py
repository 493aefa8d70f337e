"""Secant action: brake by the curvature of the gradient's path."""

from typing import ClassVar, final

from torch import Tensor
from typing_extensions import override

from passband.optim._braking import BrakingSGD
from passband.optim._lists import add_
from passband.optim._options import Group

LARGEST_MOMENTUM = 0.91
"""Up to here the edge is the closed form, whatever the strength; above, a complex pair exits."""


@final
class SecantSGD(BrakingSGD):
    r"""SGD that also steps against the second difference of the gradient.

    .. math::
        m \leftarrow \beta m + g, \qquad p \leftarrow p - \alpha m - \tfrac r2 (g - 2 g_1 + g_2),
        \qquad g_2 \leftarrow g_1, \; g_1 \leftarrow g.

    It is heavy ball on ``x = p + r/2 (g₁ − g₂)``. Near a minimum and for ``β ≤ 0.91`` it lets
    through exactly ``0 ≤ λ ≤ C / (1 + C r)``, ``C = 2 (1 + β) / α``. Slow modes do not feel it at
    all, so unlike `DerivativeSGD` it keeps SGD's gentle preference for small gradients; that costs
    a second buffer. Above 0.91 a pair of complex multipliers leaves the circle first: ``strength``
    may be given, but the edge is lower than the formula and ``edge`` is refused. The first step is
    that of plain SGD (``g₁ = g₂ = g``), and with ``strength=0`` all are.

    ``edge`` is settled once, with the group's ``lr`` and ``momentum`` of that moment. When a
    scheduler changes ``lr`` afterwards, ``r`` stays and the edge is ``1 / (r + 1/C)``: never
    above ``1/r``. A gradient that is not finite skips the step with a `SkippedStepWarning`.

    Args:
        params: Parameters, named parameters or parameter groups, as everywhere in ``torch.optim``.
        lr: Learning rate ``α``, positive; schedulers may take it to zero.
        strength: ``r``, not negative, in units of ``lr``.
        edge: The edge wanted, in place of ``strength``: in (0, C - weight_decay), a curvature of
            the loss. Needs ``momentum <= 0.91``.
        momentum: ``β`` in [0, 1), as in ``torch.optim.SGD``.
        weight_decay: Not negative; added to the gradient at ``p``, so to every curvature.
        foreach: ``False`` loops over tensors.

    Raises:
        ValueError: An option is out of its range, or not exactly one of ``strength`` and ``edge``
            is given.
        TypeError: An option is not a number, or a parameter is not real floating point.

    Example:
        ``lr=1`` has the edge 2; for the edge 1/2 the strength is 2 − 1/2.

        >>> import torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> optimizer = SecantSGD([x], lr=1.0, edge=0.5)
        >>> optimizer.param_groups[0]["strength"]
        1.5

    References:
        Derived in this package: docs/theory/passbands.md.
    """

    _memory: ClassVar[tuple[str, ...]] = ("previous_gradient", "older_gradient")

    @override
    def _update(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        lr, r, foreach = float(group["lr"]), group["strength"], group["foreach"]
        last = self._recall("previous_gradient", params, start=grads)
        older = self._recall("older_gradient", params, start=grads)
        add_(params, self._momentum(group, params, grads), alpha=-lr, foreach=foreach)
        add_(older, last, alpha=-2, foreach=foreach)
        add_(older, grads, foreach=foreach)  # the second difference, exactly zero at first
        add_(params, older, alpha=-r / 2, foreach=foreach)
        for p, g, g1, g2 in zip(params, grads, last, older, strict=True):
            state = self.state[p]
            state["older_gradient"], state["previous_gradient"] = g1, g2.copy_(g)

    @override
    def _offset(self, group: Group, state: dict[str, Tensor]) -> Tensor:
        return group["strength"] / 2 * (state["previous_gradient"] - state["older_gradient"])

    @override
    def _for_edge(self, group: Group) -> float:
        if group["momentum"] > LARGEST_MOMENTUM:
            raise ValueError(
                f"`edge` needs `momentum <= {LARGEST_MOMENTUM}`, above which the secant's edge has "
                f"no closed form; got {group['momentum']!r}. Use `DerivativeSGD`, or `strength`."
            )
        return super()._for_edge(group)
