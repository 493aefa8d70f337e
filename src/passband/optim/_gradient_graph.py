"""The graph of a gradient, from a closure that calls ``loss.backward()`` itself.

A Hessian product needs the gradient as a function of the weights, but ``backward()`` leaves only
its value. While a `GradientGraph` is active, ``backward()`` goes through ``torch.autograd.grad``
with ``create_graph=True``: ``p.grad`` gets its value as ever, so that clipping and accumulation
work, and the graph is kept aside. That avoids both the reference cycle of
``backward(create_graph=True)`` and a second kind of closure. The override is a
``TorchFunctionMode``, local to the thread and gone with the block; nothing is patched.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.overrides import TorchFunctionMode
from typing_extensions import override

# what ``Tensor.backward`` and ``autograd.backward`` call the arguments of ``autograd.grad``
_GRAD_NAMES = {
    "self": "outputs",
    "tensors": "outputs",
    "gradient": "grad_outputs",
    "grad_tensors": "grad_outputs",
}


class GradientGraph(TorchFunctionMode):
    """Keeps the graph of every gradient that ``backward()`` computes inside the block."""

    def __init__(self, params: list[Tensor]) -> None:
        super().__init__()
        self._params = params
        self._gradients: list[tuple[Tensor, GradientEdge]] = []
        self.used = False

    @override
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in {torch.Tensor.backward, torch.autograd.backward}:
            call = signature(func).bind(*args, **(kwargs or {})).arguments
            return self._backward({_GRAD_NAMES.get(name, name): call[name] for name in call})
        return func(*args, **(kwargs or {}))

    def _backward(self, call: dict[str, Any]) -> None:
        self.used = True
        params, only = self._params, call.get("inputs")
        if only is not None:
            wanted = {id(t) for t in ([only] if isinstance(only, Tensor) else only)}
            params = [p for p in params if id(p) in wanted]
        if not params:
            return
        outputs, seeds = call["outputs"], call.get("grad_outputs")
        grads = _optional(
            torch.autograd.grad(outputs, params, seeds, create_graph=True, allow_unused=True)
        )
        with torch.no_grad():
            for p, g in zip(params, grads, strict=True):
                if g is not None:
                    if g.requires_grad:
                        self._gradients.append((p, get_gradient_edge(g)))
                    p.grad = g.detach().clone() if p.grad is None else p.grad + g.detach()

    def product(self, params: list[Tensor], vectors: list[Tensor]) -> list[Tensor]:
        """Return the Hessian of everything that was differentiated, times ``vectors``.

        One backward pass through the kept graphs, which it frees.
        """
        direction = {id(p): v for p, v in zip(params, vectors, strict=True)}
        kept = [(p, edge) for p, edge in self._gradients if id(p) in direction]
        if not kept:  # the loss is linear in the parameters
            return [torch.zeros_like(p) for p in params]
        outputs, seeds = [edge for _, edge in kept], [direction[id(p)] for p, _ in kept]
        try:
            products = torch.autograd.grad(outputs, params, seeds, allow_unused=True)
        except RuntimeError as error:
            error.add_note(
                "A Hessian product differentiates the gradient once more. Fused attention, "
                "compiled models and cuDNN recurrences cannot: use torch's math attention "
                "(`torch.nn.attention.sdpa_kernel(SDPBackend.MATH)`) and the uncompiled model."
            )
            raise
        return [
            torch.zeros_like(p) if h is None else h
            for p, h in zip(params, _optional(products), strict=True)
        ]


def _optional(grads: Any) -> tuple[Tensor | None, ...]:
    """Say what torch's stubs do not: with ``allow_unused`` a gradient can be missing."""
    return cast("tuple[Tensor | None, ...]", grads)
