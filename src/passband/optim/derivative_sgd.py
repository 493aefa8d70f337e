"""Derivative action: brake by the change of the gradient."""

from typing import ClassVar, final

from torch import Tensor
from typing_extensions import override

from passband.optim._braking import BrakingSGD
from passband.optim._lists import add_
from passband.optim._options import Group


@final
class DerivativeSGD(BrakingSGD):
    r"""SGD that also steps against the change of the gradient since the last step.

    .. math::
        m \leftarrow \beta m + g, \qquad p \leftarrow p - \alpha m - s\,(g - g_1), \qquad
        g_1 \leftarrow g.

    It is heavy ball on ``x = p + s g₁``, with the gradient taken a step ``s`` down the previous
    gradient. Near a minimum it lets through exactly ``0 ≤ λ ≤ C / (1 + C s)``,
    ``C = 2 (1 + β) / α``, for every ``0 ≤ β < 1``: a lower edge for one gradient a step, one more
    buffer, no leak at saddles, and no limits but critical points. The first step is that of plain
    SGD (``g₁ = g``), and with ``strength=0`` all are.

    ``edge`` is settled once, with the group's ``lr`` and ``momentum`` of that moment. When a
    scheduler changes ``lr`` afterwards, ``s`` stays and the edge is ``1 / (s + 1/C)``: never
    above ``1/s``. A gradient that is not finite skips the step with a `SkippedStepWarning`.

    Args:
        params: Parameters, named parameters or parameter groups, as everywhere in ``torch.optim``.
        lr: Learning rate ``α``, positive; schedulers may take it to zero.
        strength: ``s``, not negative, in units of ``lr``.
        edge: The edge wanted, in place of ``strength``: in (0, C - weight_decay), a curvature of
            the loss.
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
        >>> optimizer = DerivativeSGD([x], lr=1.0, edge=0.5)
        >>> optimizer.param_groups[0]["strength"]
        1.5

    References:
        Derived in this package: docs/theory/passbands.md. The rule itself is PID control, and for
        ``β = 0`` optimistic gradient descent.
    """

    _memory: ClassVar[tuple[str, ...]] = ("previous_gradient",)

    @override
    def _update(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        lr, s, foreach = float(group["lr"]), group["strength"], group["foreach"]
        previous = self._recall("previous_gradient", params, start=grads)
        add_(params, self._momentum(group, params, grads), alpha=-lr, foreach=foreach)
        add_(previous, grads, alpha=-1, foreach=foreach)  # its change, exactly zero at first
        add_(params, previous, alpha=s, foreach=foreach)
        for g1, g in zip(previous, grads, strict=True):
            g1.copy_(g)

    @override
    def _offset(self, group: Group, state: dict[str, Tensor]) -> Tensor:
        return group["strength"] * state["previous_gradient"]
