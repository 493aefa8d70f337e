"""The Hessian of an objective."""

from typing import final

import torch
from torch import Tensor, nn
from typing_extensions import override

from passband._shapes import Float
from passband.errors import NonFiniteError
from passband.operators.base import LinearOperator
from passband.operators.graphs import Graph, build, free_memory
from passband.problem import Objective


@final
class Hessian(LinearOperator):
    """Hessian ``∇²L(θ)`` of an objective where its model is now.

    Everything the model computes with is copied when the operator is made: training on
    afterwards does not move the operator. A product differentiates the gradient once more.
    The graph of the gradient is built once and kept for as many batches as ``memory`` holds;
    for the others it is built anew in every product, with the same random numbers, so that
    products agree and dropout has one mask a batch.

    A product costs 1.2 to 2.5 gradients where the graph is kept and 2 to 3.6 where it is not.

    Args:
        objective: The mean loss to differentiate twice.
        memory: Bytes that kept graphs may take: a quarter of what is free, if not given; 0 keeps
            none. A graph is charged three times the tensors that autograd saves for it.

    Raises:
        NonFiniteError: In a product: the batch with a value that is not finite.
        PassbandError: An operation of the model has no second derivative.

    Example:
        The Hessian of a linear model under mean squared error is ``2 XᵀX / N``.

        >>> x, y = torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1)
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> H = Hessian(Objective(model, torch.nn.functional.mse_loss, (x, y)))
        >>> H @ torch.ones(1)
        tensor([10.])

    References:
        Pearlmutter, *Fast exact multiplication by the Hessian*, Neural Computation 6, 1994.
    """

    symmetric = True

    def __init__(self, objective: Objective, *, memory: int | None = None) -> None:
        if not isinstance(objective, Objective):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"`objective` must be an Objective; got {type(objective).__name__}. "
                "Write `Hessian(Objective(model, loss, data))`."
            )
        if memory is not None and not memory >= 0:
            raise ValueError(f"`memory` must be a number of bytes, 0 or more; got {memory!r}.")
        self.objective = objective
        self.size, self.dtype, self.device = objective.size, objective.dtype, objective.device
        self._snapshot = objective.snapshot()
        self._theta = self._snapshot.theta.requires_grad_()
        self._memory = free_memory(self.device) // 4 if memory is None else memory
        self._graphs: list[Graph] | None = None
        self._batches = sum(count > 0 for count in objective.counts)

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        total = torch.zeros_like(v)
        graphs = self._kept()
        for graph in graphs:
            total.add_(self._differentiate(graph, v, keep=True), alpha=graph.weight)
        if len(graphs) < self._batches:
            kept = {graph.loss.number for graph in graphs}
            for weight, loss in self.objective.batches(self._snapshot):
                if loss.number not in kept:
                    gradient = loss.differentiate(self._theta, create_graph=True)[1]
                    graph = Graph(loss, weight, gradient)
                    total.add_(self._differentiate(graph, v, keep=False), alpha=weight)
        return total

    def _differentiate(self, graph: Graph, v: Tensor, *, keep: bool) -> Tensor:
        """Return ``∇(∇Lᵢ · v)``."""
        if not graph.gradient.requires_grad:  # the loss is linear in θ
            return torch.zeros_like(v)

        def task(_: nn.Module) -> Tensor:  # inside a run, because checkpoints run the model again
            slope = torch.dot(graph.gradient, v)  # `grad_outputs=v` would import sympy, 0.6 s
            (product,) = torch.autograd.grad(
                slope, self._theta, retain_graph=keep, allow_unused=True, materialize_grads=True
            )
            return product

        product = graph.loss.run(self._theta, task)
        if not bool(torch.isfinite(product).all()):
            if not bool(torch.isfinite(v).all()):
                raise NonFiniteError("the vector to multiply is not finite.")
            raise NonFiniteError(
                f"the second derivative of batch {graph.loss.number} is not finite; its loss and "
                "gradient are. Look for a square root, norm or power at 0."
            )
        return product

    def _kept(self) -> list[Graph]:
        if self._graphs is None:
            losses = self.objective.batches(self._snapshot)
            self._graphs, _ = build(losses, self._theta, budget=self._memory)
        return self._graphs

    @override
    def start(self) -> Float[Tensor, " n"]:
        """Return the gradient, free where graphs are kept."""
        total = torch.zeros_like(self._theta, requires_grad=False)
        graphs = self._kept()
        for graph in graphs:
            total.add_(graph.gradient.detach(), alpha=graph.weight)
        kept = {graph.loss.number for graph in graphs}
        if len(graphs) < self._batches:
            for weight, loss in self.objective.batches(self._snapshot):
                if loss.number not in kept:
                    total.add_(loss.gradient(self._theta)[1], alpha=weight)
        return total

    @property
    def kept_batches(self) -> int:
        """Number of batches whose graph is kept now."""
        return len(self._graphs or ())

    def release(self) -> None:
        """Drop the kept graphs; the next product builds them again."""
        self._graphs = None
