"""Unnormalized SAM: the gradient a fixed multiple of the gradient uphill."""

from typing import final

from torch import Tensor
from torch.optim.optimizer import ParamsT
from typing_extensions import override

from passband.optim._checked import Part, Way
from passband.optim._options import Decay, Group, check_steps
from passband.optim._uphill_sgd import UphillSGD


@final
class USAM(UphillSGD):
    r"""SGD with the gradient found after ``steps`` unnormalized ascents.

    .. math::
        q(x) = \nabla f(y_k), \qquad y_0 = x, \quad y_{j+1} = y_j + \rho\, \nabla f(y_j).

    Near a minimum it is the linear filter that sees the curvature ``λ (1 + ρλ)^steps``; with heavy
    ball it lets through ``0 ≤ λ (1 + ρλ)^steps ≤ 2 (1 + momentum) / lr``. Momentum and Nesterov
    are those of ``torch.optim.SGD`` and live outside the perturbation; with ``rho=0`` every step
    is torch's, bit for bit, and needs one gradient.

    A step costs ``steps + 1`` gradients and one copy of the weights. After it ``p.grad`` holds the
    gradient found uphill. Gradients are cleared before each evaluation, so what was accumulated
    before the step does not count. A gradient that is not finite skips the step with a
    `SkippedStepWarning`. The perturbed passes update batch-norm statistics and draw random numbers
    like any other; ``rho`` has the unit of one over curvature, so a scaled loss changes it.

    Args:
        params: Parameters, named parameters or parameter groups, as everywhere in ``torch.optim``.
        lr: Learning rate, positive; schedulers may take it to zero.
        rho: Ascent radius, finite. Negative values look downhill, as extragradient does.
        steps: Number of ascents, 1 or more (2 is Two-step USAM); the same in all groups.
        momentum: In [0, 1).
        nesterov: Look ahead along the buffer. Needs momentum.
        weight_decay: Not negative.
        decay: Where it acts. ``"coupled"``: added at ``x`` to the gradient found uphill.
            ``"loss"``: ``weight_decay / 2 ‖x‖²`` is part of ``f``, which is climbed too (the loss
            returned is still the closure's).
            ``"decoupled"``: ``x`` is multiplied by ``1 − lr · weight_decay``, as in AdamW.
        foreach: ``False`` loops over tensors; by default as in torch, up to rounding the same.

    Raises:
        ValueError: An option is out of its range.
        TypeError: An option is not a number, or a parameter is not real floating point.

    Example:
        For ``f = x²`` at 1 with ρ = 1 the gradient is taken at 1 + 2 = 3, where it is 6.

        >>> import torch
        >>> x = torch.tensor(1.0, requires_grad=True)
        >>> optimizer = USAM([x], lr=0.1, rho=1.0)
        >>> def closure():
        ...     loss = x**2
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure), x.grad, x.detach()
        (tensor(1.), tensor(6.), tensor(0.4000))

    References:
        Andriushchenko and Flammarion, *Towards understanding sharpness-aware minimization*,
        ICML 2022; Bolte, Le and Pauwels, arXiv 2510.09034, for Two-step USAM and the filter.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor,
        rho: float,
        *,
        steps: int = 1,
        momentum: float = 0,
        nesterov: bool = False,
        weight_decay: float = 0,
        decay: Decay = "coupled",
        foreach: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "steps": steps,
            "momentum": momentum,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
            "decay": decay,
            "foreach": foreach,
        }
        super().__init__(params, defaults)

    @override
    def _check(self, group: Group, *, starting: bool) -> None:
        super()._check(group, starting=starting)
        check_steps(group)
        if group["steps"] != (first := self.param_groups[0]["steps"]):
            raise ValueError(
                "`steps` must be the same in all groups, because they climb together; "
                f"got {first} and {group['steps']}. Give each its own optimizer, or its own `rho`."
            )

    @override
    def _ascents(self) -> int:
        return super()._ascents() * self.param_groups[0]["steps"]

    @override
    def _way_up(self, parts: list[Part], unit: float, taken: int) -> Way:
        return Way(parts, unit)
