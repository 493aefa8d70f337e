"""Hessian products whose graph is not kept, without the gradients of weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from passband.errors import PassbandError
from passband.problem import BatchLoss

_ARGUMENTS = ("input", "weight", "bias")


@final
class Lean:
    """Multiplies by the Hessian of a batch where its gradient is needed for nothing else.

    In a linear layer ``z = xWᵀ`` the slope ``∇L · V`` is ``δ · xVᵀ`` with ``δ = ∂L/∂z``: the
    gradient ``δᵀx`` need not be formed. Of 9 matrix products of the size of a layer 8 are left,
    of a first layer 3 of 4.

    Weights that are used otherwise too (tied embeddings), or whose outputs are changed in place,
    are differentiated as usual, and so are those of all other layers.
    """

    def __init__(self) -> None:
        self._usual: set[str] = (
            set()
        )  # names of the weights that linear layers alone do not explain
        self._works = True

    def product(self, loss: BatchLoss, theta: Tensor, v: Tensor) -> Tensor | None:
        """Return ``∇(∇L · v)``, or None where that has to be done in another way.

        Args:
            loss: The loss of the batch.
            theta: A leaf, shape ``(n,)``.
            v: The direction, shape ``(n,)``.
        """
        while self._works:
            try:
                product, spoiled = loss.run(theta, lambda model: self._try(model, loss, theta, v))
            except (PassbandError, RuntimeError, KeyError):
                # torch.func in the model, or hidden names; else the usual way says what it was
                self._works = False
                break
            if not spoiled:
                return product
            self._usual |= spoiled
        return None

    def _try(
        self, model: nn.Module, loss: BatchLoss, theta: Tensor, v: Tensor
    ) -> tuple[Tensor, set[str]]:
        weights = dict(model.named_parameters())
        parts = loss.runner.split(v)
        ways = {
            id(weights[name]): (name, part)
            for name, part in parts.items()
            if name not in self._usual
        }
        layers = _Layers(ways)
        with layers:
            value = loss.of_model(model)
        loss.finite(value)
        if spoiled := layers.spoiled(value, {name: weights[name] for name in parts}):
            return v, spoiled
        seen = layers.names
        rest = [name for name in parts if name not in seen]
        inner = torch.autograd.grad(
            value,
            [*(call.output for call in layers.calls), *(weights[name] for name in rest)],
            create_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
        directions = [*(call.moved for call in layers.calls), *(parts[name] for name in rest)]
        pairs = zip(inner, directions, strict=True)
        slope = sum((torch.dot(g.flatten(), d.flatten()) for g, d in pairs), v.new_zeros(()))
        if not slope.requires_grad:  # the loss is linear in θ
            return torch.zeros_like(v), set()
        (product,) = torch.autograd.grad(slope, theta, allow_unused=True, materialize_grads=True)
        return product, set()


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """One use of a layer: its weights' names, input, output, and ``xVᵀ``."""

    names: tuple[str, ...]
    input: Tensor
    output: Tensor
    moved: Tensor
    versions: tuple[int, int]

    @property
    def changed(self) -> bool:
        return (self.input._version, self.output._version) != self.versions  # noqa: SLF001


@final
class _Layers(TorchFunctionMode):
    """Sees linear layers at work.

    Args:
        ways: Name and direction of every weight, by its identity.
    """

    def __init__(self, ways: dict[int, tuple[str, Tensor]]) -> None:
        super().__init__()
        self._ways = ways
        self.calls: list[_Call] = []

    @override
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if func is nn.functional.linear:
            given = dict(zip(_ARGUMENTS, args, strict=False)) | (kwargs or {})
            way = self._ways.get(id(given["weight"]))
            if way is not None and isinstance(output, Tensor) and output.requires_grad:
                bias = self._ways.get(id(given.get("bias")))
                names = (way[0],) if bias is None else (way[0], bias[0])
                moved = func(**given | {"weight": way[1], "bias": bias and bias[1]})
                x = given["input"]
                versions = (x._version, output._version)  # noqa: SLF001
                self.calls.append(_Call(names, x, output, moved, versions))
        return output

    @property
    def names(self) -> set[str]:
        return {name for call in self.calls for name in call.names}

    def spoiled(self, value: Tensor, weights: dict[str, Tensor]) -> set[str]:
        """Return the weights that linear layers do not explain alone.

        Nothing but the layer may use what lies between its output and its weights. A model that
        differentiates inside itself does: its derivative reuses the transposed weight.
        """
        ways = {_edge(weights[name]): name for name in self.names}
        ends = {_edge(weight) for weight in weights.values()}
        inner: dict[Any, tuple[str, ...]] = {}
        own: set[Any] = set()
        for call in self.calls:
            nodes = _nodes(call.output.grad_fn, ends | {_edge(call.input)})
            own |= nodes
            inner |= dict.fromkeys(nodes - {call.output.grad_fn}, call.names)
        found = {name for call in self.calls if call.changed for name in call.names}
        for node in _nodes(value.grad_fn, set()) - own:
            for parent in node.next_functions:
                if parent in ways:
                    found.add(ways[parent])
                found.update(inner.get(parent[0], ()))
        return found


def _edge(tensor: Tensor) -> tuple[Any, int]:
    """Return how a graph refers to a tensor."""
    return tensor.grad_fn, tensor.output_nr


def _nodes(start: Any, ends: set[tuple[Any, int]]) -> set[Any]:
    """Return the nodes of a graph from one on, without what lies behind some edges."""
    seen = {start} - {None}
    todo = list(seen)
    while todo:
        for parent in todo.pop().next_functions:
            if parent[0] is not None and parent not in ends and parent[0] not in seen:
                seen.add(parent[0])
                todo.append(parent[0])
    return seen
