"""The Gauss–Newton matrix of an objective."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from typing_extensions import override

from passband._shapes import Float
from passband.operators.base import LinearOperator
from passband.operators.graphs import Graphs, check_finite
from passband.problem import BatchLoss, Objective
from passband.problem.losses import scalar

_Task = Callable[[nn.Module], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class _Linearized:
    """A batch's outputs ``f(θ)``, ``Jᵀu`` as a function of ``u``, and the loss's gradient in ``f``.

    Attributes:
        output: ``f(θ)``, with its graph.
        u: A vector in the space of outputs, a leaf.
        pulled: ``Jᵀu``, with its graph.
        seen: A copy of ``f(θ)``, a leaf.
        slope: Gradient of the loss with respect to ``seen``, with its graph.
        gradient: Gradient of the loss with respect to ``θ``.
    """

    output: Tensor
    u: Tensor
    pulled: Tensor
    seen: Tensor
    slope: Tensor
    gradient: Tensor


@final
class GaussNewton(LinearOperator):
    """Gauss–Newton matrix ``Σ wᵢ Jᵢᵀ (∇²ℓ) Jᵢ`` of an objective where its model is now.

    ``J`` is the Jacobian of the model's outputs and ``∇²ℓ`` the Hessian of the loss in them. It
    lacks the term of the Hessian that carries the curvature of the model itself, is positive
    semidefinite for convex losses, and for cross-entropy and squared error it is the Fisher
    matrix. Copies and graphs are kept as by `Hessian`.

    A product costs about two gradients where the graph is kept.

    Args:
        objective: The mean loss, given as ``loss(output, target)``.
        memory: Bytes that kept graphs may take: a quarter of what is free, if not given.

    Raises:
        ValueError: The loss is given as ``loss(model, batch)``, or outputs are no tensor.

    Example:
        For a linear model it is the Hessian, under squared error ``2 XᵀX / N``.

        >>> x, y = torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1)
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> G = GaussNewton(Objective(model, torch.nn.functional.mse_loss, (x, y)))
        >>> G @ torch.ones(1)
        tensor([10.])

    References:
        Schraudolph, *Fast curvature matrix-vector products*, Neural Computation 14, 2002.
    """

    symmetric: bool = True

    def __init__(self, objective: Objective, *, memory: int | None = None) -> None:
        self._graphs: Graphs[_Linearized] = Graphs(objective, _linearized, memory=memory)
        if objective.takes_model:
            raise ValueError(
                "`GaussNewton` needs a loss of outputs, `loss(output, target)`; this objective has "
                "`loss(model, batch)`, which does not say what the outputs are. Use `Hessian`."
            )
        self.objective = objective
        self._lives(objective.size, objective.dtype, objective.device)

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        total = torch.zeros_like(v)
        for graph, kept in self._graphs:
            part = graph.loss.run(
                self._graphs.theta, _task(graph.built, self._graphs.theta, v, keep=kept)
            )
            check_finite(part, v, graph.loss.number)
            total.add_(part, alpha=graph.weight)
        return total

    @override
    def start(self) -> Float[Tensor, " n"]:
        """Return the gradient, free where graphs are kept."""
        total = torch.zeros(self.size, dtype=self.dtype, device=self.device)
        for graph, _ in self._graphs:
            total.add_(graph.built.gradient, alpha=graph.weight)
        return total

    @property
    def kept_batches(self) -> int:
        """Number of batches whose graph is kept now."""
        return self._graphs.kept

    def release(self) -> None:
        """Drop the kept graphs; the next product builds them again."""
        self._graphs.release()


def _linearized(loss: BatchLoss, theta: Tensor) -> tuple[Tensor, _Linearized]:
    def task(model: nn.Module) -> tuple[Tensor, _Linearized]:
        x, y = loss.batch
        output = model(x)
        if not isinstance(output, Tensor):
            raise ValueError(
                f"`GaussNewton` needs a model that returns a tensor; got {type(output).__name__}."
            )
        u = torch.zeros_like(output).requires_grad_()
        (pulled,) = torch.autograd.grad((output * u).sum(), theta, create_graph=True)
        seen = output.detach().requires_grad_()
        value = scalar(loss.function(seen, y), takes="output, target")
        loss.finite(value)
        (slope,) = torch.autograd.grad(value, seen, create_graph=True)
        direction = (output * slope.detach()).sum()
        (gradient,) = torch.autograd.grad(direction, theta, retain_graph=True)
        return pulled, _Linearized(output, u, pulled, seen, slope, gradient)

    return loss.run(theta, task)


def _task(built: _Linearized, theta: Tensor, v: Tensor, *, keep: bool) -> _Task:
    """Return what computes ``Jᵀ (∇²ℓ) J v``, the derivative of ``Jᵀu`` in ``u`` being ``J``."""

    def task(_: nn.Module) -> Tensor:
        (forward,) = torch.autograd.grad(
            torch.dot(built.pulled, v), built.u, retain_graph=True, materialize_grads=True
        )
        if not built.slope.requires_grad:  # the loss is linear in the outputs
            return torch.zeros_like(v)
        (bent,) = torch.autograd.grad(
            (built.slope * forward).sum(),
            built.seen,
            retain_graph=keep,
            allow_unused=True,
            materialize_grads=True,
        )
        (back,) = torch.autograd.grad((built.output * bent).sum(), theta, retain_graph=keep)
        return back

    return task
