"""Hessian USAM: the gradient uphill on the squared gradient norm."""

from typing import final

import torch.distributed as dist
from torch import Tensor
from torch.optim.optimizer import ParamsT
from typing_extensions import override

from passband.errors import PassbandError
from passband.optim._checked import Closure, Part
from passband.optim._gradient_graph import GradientGraph
from passband.optim._lists import add
from passband.optim._options import Decay
from passband.optim._uphill_sgd import UphillSGD


@final
class HessianUSAM(UphillSGD):
    r"""SGD with the gradient found after an ascent along ``H ∇f``.

    .. math::
        q(x) = \nabla f\bigl(x + \rho\, \nabla^2 f(x)\, \nabla f(x)\bigr).

    Near a minimum it is the linear filter that sees the curvature ``λ (1 + ρλ²)``, which for
    ``rho > 0`` admits no negative curvature. The Hessian product is exact, by differentiating the
    gradient once more; the closure is the ordinary one and calls ``loss.backward()`` itself, and
    the step keeps the graph of that gradient (see `passband.optim._gradient_graph`). The loss must
    be twice differentiable by autograd and must not be scaled inside the closure.

    A step costs two gradients and one Hessian product (one gradient with ``rho=0``), two copies of
    the weights, and the memory of all graphs that the closure differentiates in one call. At the
    first evaluation only this optimizer's parameters get gradients, reentrant checkpoints hide
    theirs, and hooks after accumulation do not run. So it works on one process; with several it
    is refused, because the product would not be averaged over them. Everything else is as for
    `USAM`.

    Args:
        params: Parameters, named parameters or parameter groups, as everywhere in ``torch.optim``.
        lr: Learning rate, positive; schedulers may take it to zero.
        rho: Ascent radius, finite, in units of one over curvature squared.
        momentum: In [0, 1).
        nesterov: Look ahead along the buffer. Needs momentum.
        weight_decay: Not negative.
        decay: ``"coupled"``, ``"loss"`` or ``"decoupled"``; see `USAM`. With ``"loss"`` the Hessian
            includes it too.
        foreach: ``False`` loops over tensors; by default as in torch, up to rounding the same.

    Raises:
        ValueError: An option is out of its range.
        TypeError: An option is not a number, or a parameter is not real floating point.
        PassbandError: At the first step, in a group of several processes.

    Example:
        For ``f = x²`` at 1 with ρ = 1 the gradient is taken at 1 + 2 · 2 = 5, where it is 10.

        >>> import torch
        >>> x = torch.tensor(1.0, requires_grad=True)
        >>> optimizer = HessianUSAM([x], lr=0.05, rho=1.0)
        >>> def closure():
        ...     loss = x**2
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure), x.grad, x.detach()
        (tensor(1.), tensor(10.), tensor(0.5000))

    References:
        Bolte, Le and Pauwels, arXiv 2510.09034.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor,
        rho: float,
        *,
        momentum: float = 0,
        nesterov: bool = False,
        weight_decay: float = 0,
        decay: Decay = "coupled",
        foreach: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "momentum": momentum,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
            "decay": decay,
            "foreach": foreach,
        }
        super().__init__(params, defaults)

    @override
    def _look_up(self, closure: Closure) -> tuple[Tensor, list[Part]]:
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            raise PassbandError(
                "HessianUSAM works on one process: its Hessian product is not averaged over "
                f"{dist.get_world_size()} of them. Use `USAM`, or one process."
            )
        with GradientGraph(self._parameters()) as graph:
            loss, parts = self._gradient(closure)
        if not graph.used:
            raise ValueError(
                "HessianUSAM must see how the gradient was computed. Call `loss.backward()` on "
                "the loss inside the closure; compiled closures and `torch.autograd.grad` hide it."
            )
        params = [p for part in parts for p in part.params]
        products = iter(graph.product(params, [g for part in parts for g in part.vectors]))
        return loss, [_with_decay(part, [next(products) for _ in part.params]) for part in parts]


def _with_decay(part: Part, products: list[Tensor]) -> Part:
    """Return the product with the Hessian of the whole loss: ω more where decay belongs to it."""
    group, params, grads = part
    if group["decay"] == "loss" and group["weight_decay"]:
        products = add(products, grads, alpha=group["weight_decay"], foreach=group["foreach"])
    return Part(group, params, products)
