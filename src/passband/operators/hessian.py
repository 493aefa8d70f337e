"""The Hessian of an objective."""

from typing import final

import torch
from torch import Tensor, nn
from typing_extensions import override

from passband._shapes import Float
from passband.operators.base import LinearOperator
from passband.operators.graphs import Graph, Graphs, check_finite
from passband.operators.lean import Lean
from passband.problem import BatchLoss, Objective
from passband.problem.finite import all_finite


@final
class Hessian(LinearOperator):
    """Hessian ``∇²L(θ)`` of an objective where its model is now.

    Everything the model computes with is copied when the operator is made: training on
    afterwards does not move the operator. A product differentiates the gradient once more.
    The graph of the gradient is built once and kept for as many batches as ``memory`` holds;
    for the others it is built anew in every product, with the same random numbers, so that
    products agree and dropout has one mask a batch.

    A product costs 1.2 to 2.5 gradients where the graph is kept and 1.9 to 3.7 where it is not.

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

    symmetric: bool = True
    curvature: str = "plain"

    def __init__(self, objective: Objective, *, memory: int | None = None) -> None:
        self._graphs: Graphs[Tensor] = Graphs(objective, _gradient, memory=memory)
        self._lean = Lean()
        self.objective = objective
        self._lives(objective.size, objective.dtype, objective.device)

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        total = torch.zeros_like(v)
        theta = self._graphs.theta
        for graph in self._graphs.kept_ones():
            total.add_(_product(graph, theta, v, keep=True), alpha=graph.weight)
        for weight, loss in self._graphs.others():
            product = self._lean.product(loss, theta, v)
            if product is None or not all_finite(product):  # the usual way, which says what is not
                product = _product(Graph(loss, weight, _gradient(loss, theta)[1]), theta, v)
            total.add_(product, alpha=weight)
        return total

    @override
    def start(self) -> Float[Tensor, " n"]:
        """Return the gradient, free where graphs are kept."""
        total = torch.zeros(self.size, dtype=self.dtype, device=self.device)
        for graph, _ in self._graphs:
            total.add_(graph.built.detach(), alpha=graph.weight)
        return total

    @property
    def kept_batches(self) -> int:
        """Number of batches whose graph is kept now."""
        return self._graphs.kept

    def release(self) -> None:
        """Drop the kept graphs; the next product builds them again."""
        self._graphs.release()


def _gradient(loss: BatchLoss, theta: Tensor) -> tuple[Tensor, Tensor]:
    gradient = loss.differentiate(theta, create_graph=True)[1]
    return gradient, gradient


def _product(graph: Graph[Tensor], theta: Tensor, v: Tensor, *, keep: bool = False) -> Tensor:
    """Return ``∇(∇Lᵢ · v)``."""
    if not graph.built.requires_grad:  # the loss is linear in θ
        return torch.zeros_like(v)

    def task(_: nn.Module) -> Tensor:  # inside a run, because checkpoints run the model again
        slope = torch.dot(graph.built, v)  # `grad_outputs=v` would import sympy, 0.6 s
        (product,) = torch.autograd.grad(
            slope, theta, retain_graph=keep, allow_unused=True, materialize_grads=True
        )
        return product

    product = graph.loss.run(theta, task)
    check_finite(product, v, graph.loss.number)
    return product
