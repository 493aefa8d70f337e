"""Nesterov's momentum with the gradient taken further ahead than the momentum goes."""

from typing import ClassVar, final

from torch import Tensor
from torch.optim.optimizer import ParamsT
from typing_extensions import override

from passband.optim._lists import add_, scale_
from passband.optim._options import Group
from passband.optim._remembering import RememberingSGD, slope_for_edge


@final
class ExtrapolatedSGD(RememberingSGD):
    r"""Heavy ball whose gradient is taken ``c`` last steps ahead.

    .. math::
        p \leftarrow p - \alpha \bigl[(1 + c)\, g + (\beta (1 + c) - c)\, m\bigr], \qquad
        m \leftarrow \beta m + g.

    It is ``x⁺ = x + β d − α ∇f(x + c d)`` with the last step ``d = −α m``, written for the
    gradient point ``p = x + c d``. ``c = 0`` is heavy ball and ``c = β`` is torch's Nesterov; with
    ``c > β`` it is a flatness filter: it lets through exactly ``0 ≤ λ ≤ C / (1 + 2c)``,
    ``C = 2 (1 + β) / α``. One gradient a step, no buffer but the momentum's. From rest the first
    step takes ``x`` where plain SGD would, and ``p`` by ``1 + c`` as far.

    ``edge`` is settled once, with the group's ``lr`` and ``momentum`` of that moment: ``c`` stays
    when a scheduler changes ``lr``, and the edge goes as ``1/lr``, as SGD's does. As in torch's
    Nesterov, ``d`` is read with the ``lr`` of the moment, so a jump of ``lr`` shifts ``x`` once, by
    the jump times ``c m``. A gradient that is not finite skips the step with a
    `SkippedStepWarning`.

    Args:
        params: Parameters, named parameters or parameter groups, as everywhere in ``torch.optim``.
        lr: Learning rate ``α``, positive; schedulers may take it to zero.
        momentum: ``β`` in [0, 1), as in ``torch.optim.SGD``.
        extrapolation: ``c``, not negative, in last steps.
        edge: The edge wanted, in place of ``extrapolation``: in (0, C - weight_decay), a curvature
            of the loss.
        weight_decay: Not negative; added to the gradient at ``p``, so to every curvature.
        foreach: ``False`` loops over tensors.

    Raises:
        ValueError: An option is out of its range, or not exactly one of ``extrapolation`` and
            ``edge`` is given.
        TypeError: An option is not a number, or a parameter is not real floating point.

    Example:
        ``lr=1`` and momentum 1/2 have the edge 3; for the edge 1 look one last step ahead.

        >>> import torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> optimizer = ExtrapolatedSGD([x], lr=1.0, momentum=0.5, edge=1.0)
        >>> optimizer.param_groups[0]["extrapolation"]
        1.0

    References:
        Nesterov 1983 for ``c = β``; the theory notes of this package for ``c > β`` as a filter.
    """

    _option: ClassVar[str] = "extrapolation"
    _memory: ClassVar[tuple[str, ...]] = ("momentum_buffer",)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor,
        momentum: float,
        extrapolation: float | None = None,
        *,
        edge: float | None = None,
        weight_decay: float = 0,
        foreach: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "extrapolation": extrapolation,
            "edge": edge,
            "weight_decay": weight_decay,
            "foreach": foreach,
        }
        super().__init__(params, defaults)

    @override
    def _update(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        lr, momentum, foreach = float(group["lr"]), group["momentum"], group["foreach"]
        c = group["extrapolation"]
        buffers = self._recall("momentum_buffer", params)
        add_(params, grads, alpha=-lr * (1 + c), foreach=foreach)
        add_(params, buffers, alpha=-lr * (momentum * (1 + c) - c), foreach=foreach)
        scale_(buffers, momentum, foreach=foreach)
        add_(buffers, grads, foreach=foreach)

    @override
    def _offset(self, group: Group, state: dict[str, Tensor]) -> Tensor:
        return float(group["lr"]) * group["extrapolation"] * state["momentum_buffer"]

    @override
    def _for_edge(self, group: Group) -> float:
        return slope_for_edge(group) * (1 + group["momentum"]) / float(group["lr"])
