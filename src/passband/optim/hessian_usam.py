"""Hessian USAM: the gradient uphill on the squared gradient norm."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, final

import torch.distributed as dist
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.optim.optimizer import ParamsT
from typing_extensions import override

from passband.errors import PassbandError
from passband.optim._checked import Closure, Part, Way
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

    A step costs two gradients and one Hessian product (one gradient with ``rho=0``), one copy of
    the weights, and the memory of all graphs that the closure differentiates in one call. At the
    first evaluation only this optimizer's parameters get gradients, reentrant checkpoints hide
    theirs, and hooks after accumulation do not run. With ``DistributedDataParallel`` call
    ``attach(model)`` once: gradient and product are then averaged here, tensor by tensor.
    Everything else is as for `USAM`.

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
        PassbandError: At the first step, with several processes and no model attached.

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

    takes_sparse = False

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
    def _check_by_hand(self) -> None:
        raise TypeError(
            "HessianUSAM differentiates the gradient once more, so it needs `step(closure)`, and "
            "neither a scaler nor `before_descent`. `USAM` can be driven by hand."
        )

    @override
    def _way_up(self, parts: list[Part], unit: float, taken: int) -> Way:
        raise AssertionError("a Hessian product needs more than a gradient")

    @override
    def _look_up(
        self, closure: Closure, scaler: GradScaler | None, taken: int
    ) -> tuple[Tensor, Way]:
        processes = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
        with self._unaveraged(processes), GradientGraph(self._parameters()) as graph:
            loss, parts = self._gradient(closure)
        if not graph.used:
            raise ValueError(
                "HessianUSAM must see how the gradient was computed. Call `loss.backward()` on "
                "the loss inside the closure; compiled closures and `torch.autograd.grad` hide it."
            )
        params = [p for part in parts for p in part.params]
        gradient = [g for part in parts for g in part.vectors]
        if processes > 1 and not self.passes.are_local:
            _average_(gradient, processes)
        found = graph.product(params, gradient)
        if processes > 1 and not self.passes.are_local:
            _average_(found, processes)
        products = iter(found)
        climbs = [_with_decay(part, [next(products) for _ in part.params]) for part in parts]
        return loss, Way(climbs)

    def _unaveraged(self, processes: int) -> AbstractContextManager[Any]:
        """Return a context in which DDP leaves gradients alone: it cannot average a graph."""
        if processes == 1:
            return nullcontext()
        model: Any = self.passes.model
        if not hasattr(model, "no_sync"):
            raise PassbandError(
                f"with {processes} processes HessianUSAM must know the model, to average its "
                "Hessian product: call `optimizer.attach(ddp_model)` once. Sharded models (FSDP) "
                "do not keep what the product needs; use `USAM` there."
            )
        return model.no_sync()


def _average_(tensors: list[Tensor], processes: int) -> None:
    """Replace tensors by their means over the processes, as DDP does with gradients."""
    for t in tensors:
        dist.all_reduce(t)
        t.div_(processes)


def _with_decay(part: Part, products: list[Tensor]) -> Part:
    """Return the product with the Hessian of the whole loss: ω more where decay belongs to it."""
    group, params, grads = part
    if group["decay"] == "loss" and group["weight_decay"]:
        products = add(products, grads, alpha=group["weight_decay"], foreach=group["foreach"])
    return Part(group, params, products)
