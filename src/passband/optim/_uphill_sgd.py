"""Stochastic gradient descent with a gradient found uphill: what USAM, SAM and others share."""

from torch import Tensor
from torch.optim.sgd import sgd
from typing_extensions import override

from passband.optim._checked import Closure, Part
from passband.optim._lists import add, scale_
from passband.optim._options import Group, check_sgd, number
from passband.optim._uphill import UphillOptimizer


class UphillSGD(UphillOptimizer):
    """The base step is ``torch.optim.SGD``'s own code, so without an ascent it is SGD bit for bit.

    Weight decay ω enters in one of three places: ``"coupled"`` adds ``ω x`` to the gradient found
    uphill, ``"loss"`` makes ``ω/2 ‖x‖²`` part of the loss that is climbed, ``"decoupled"`` shrinks
    the weights by ``1 − lr ω`` and leaves the gradient alone.
    """

    takes_sparse = True

    @override
    def _check(self, group: Group, *, starting: bool) -> None:
        check_sgd(group, starting=starting)
        number(group, "rho")

    @override
    def _check_by_hand(self) -> None:
        if any(g["decay"] == "loss" and g["weight_decay"] for g in self.param_groups):
            raise TypeError(
                "`decay='loss'` makes weight decay part of the loss that is climbed, which is not "
                "in `p.grad`. Use `step(closure)` without scaler or `before_descent`, or another "
                "`decay`."
            )

    @override
    def _ascents(self) -> int:
        return int(any(group["rho"] for group in self.param_groups))

    @override
    def _rho(self, group: Group) -> float:
        return float(group["rho"])

    @override
    def _gradient(self, closure: Closure) -> tuple[Tensor, list[Part]]:
        loss, parts = super()._gradient(closure)
        return loss, [_with_decay(p) if p.group["decay"] == "loss" else p for p in parts]

    @override
    def _gradients(self) -> list[Part]:
        parts = super()._gradients()
        for group, _, grads in parts:
            decays = group["weight_decay"] and group["decay"] == "coupled"
            if decays and any(g.is_sparse for g in grads):
                raise TypeError(
                    "coupled weight decay changes every weight, and a gradient is sparse. Build "
                    "the embedding with `sparse=False`, give it a group without `weight_decay`, "
                    "or use `decay='decoupled'`."
                )
        return parts

    @override
    def _descend(self, found: list[Part]) -> None:
        for group, params, grads in found:
            lr, momentum, foreach = float(group["lr"]), float(group["momentum"]), group["foreach"]
            if group["decay"] == "decoupled":
                scale_(params, 1 - lr * group["weight_decay"], foreach=foreach)
            buffers = [self.state[p].get("momentum_buffer") if momentum else None for p in params]
            sgd(
                params,
                grads,
                buffers,
                foreach=foreach,
                weight_decay=group["weight_decay"] if group["decay"] == "coupled" else 0,
                momentum=momentum,
                lr=lr,
                dampening=0,
                nesterov=group["nesterov"],
                maximize=False,
            )
            if momentum:
                for p, buffer in zip(params, buffers, strict=True):
                    self.state[p]["momentum_buffer"] = buffer


def _with_decay(part: Part) -> Part:
    """Return the gradient of the loss plus ``weight_decay / 2 ‖x‖²``."""
    group, params, grads = part
    if not group["weight_decay"]:
        return part
    total = add(grads, params, alpha=group["weight_decay"], foreach=group["foreach"])
    return Part(group, params, total)
