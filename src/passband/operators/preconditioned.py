"""The Hessian as an adaptive optimizer feels it."""

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor
from torch.optim import Optimizer
from typing_extensions import override

from passband._shapes import Float
from passband.operators.base import LinearOperator
from passband.operators.hessian import Hessian
from passband.problem import Objective
from passband.problem.sharded import whole
from passband.problem.wrapped import unwrapped


@final
class PreconditionedHessian(LinearOperator):
    """``D^½ ∇²L(θ) D^½``, with ``D`` what an adaptive optimizer multiplies a direction by.

    For Adam ``D = 1 / (√v̂ + eps)``, as its state is now, for RMSprop likewise: then the largest
    eigenvalue is the preconditioned sharpness, to be compared with an edge in preconditioned
    curvature. Groups with other learning rates count relative to the first. Weight decay is
    left to the filter. Everything is copied when the operator is made.

    A product costs what one of the Hessian costs.

    Args:
        objective: The mean loss to differentiate twice.
        optimizer: Adam, AdamW, NAdam, RMSprop, Adagrad or SGD of torch, after a step at least.
        memory: Bytes for kept graphs, as for `Hessian`.

    Raises:
        ValueError: A parameter of the objective has no state in the optimizer.
        TypeError: An optimizer whose state is not known.

    Example:
        After one step Adam has ``v̂ = g²``: it divides by ``|g|``.

        >>> x, y = torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1)
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = torch.nn.init.ones_(model.weight)
        >>> objective = Objective(model, torch.nn.functional.mse_loss, (x, y))
        >>> adam = torch.optim.Adam(model.parameters(), lr=0.0, eps=0.0)
        >>> model.weight.grad = objective.gradient().view(1, 1)  # 10, and so is the Hessian
        >>> adam.step()
        >>> (PreconditionedHessian(objective, adam) @ torch.ones(1)).round(decimals=4)
        tensor([1.])

    References:
        Cohen et al., *Adaptive gradient methods at the edge of stability*, 2022, section 2.
    """

    symmetric: bool = True
    curvature: str = "preconditioned"

    def __init__(
        self, objective: Objective, optimizer: Optimizer, *, memory: int | None = None
    ) -> None:
        self._hessian = Hessian(objective, memory=memory)
        self._root = preconditioner(objective, optimizer).sqrt()
        self.objective = objective
        self._lives(objective.size, objective.dtype, objective.device)

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._root * self._hessian.multiply(self._root * v)

    @override
    def start(self) -> Float[Tensor, " n"]:
        """Return the gradient in the operator's coordinates."""
        return self._root * self._hessian.start()

    @property
    def scale(self) -> Float[Tensor, " n"]:
        """``D^½``: an eigenvector times it is a direction of the parameters."""
        return self._root.clone()


def is_adaptive(optimizer: Optimizer) -> bool:
    """Whether an optimizer, or the base of one, weighs every parameter by a state of its own."""
    names = {kind.__name__ for kind in type(_stepping(optimizer)).__mro__}
    return bool(names & (set(_KNOWN) - {"SGD"} | _UNREAD))


def _stepping(optimizer: Optimizer) -> Optimizer:
    """Return the optimizer whose state weighs the step: the base of one that wraps it."""
    optimizer = unwrapped(optimizer)
    base = getattr(optimizer, "base", None)
    return base if isinstance(base, Optimizer) else optimizer


def preconditioner(objective: Objective, optimizer: Optimizer) -> Float[Tensor, " n"]:
    """Return the diagonal ``D`` of an optimizer's state, in the objective's order."""
    optimizer = _stepping(optimizer)
    denominator = next(
        (_KNOWN[k.__name__] for k in type(optimizer).__mro__ if k.__name__ in _KNOWN), None
    )
    if denominator is None:
        raise TypeError(
            f"the state of {type(optimizer).__name__} is not known; known are {', '.join(_KNOWN)}."
        )
    parameters = dict(objective.model.named_parameters())
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    reference = float(optimizer.param_groups[0]["lr"])
    if not reference > 0 and any(float(group["lr"]) != reference for group in groups.values()):
        raise ValueError(
            "the first parameter group has lr=0, so the others cannot be weighed against it. Give "
            "it the `lr` to be judged at, or put it last."
        )
    parts: list[Tensor] = []
    for name in objective.names:
        p = parameters[name]
        if id(p) not in groups:
            raise ValueError(f"parameter {name!r} is not in the optimizer. Was the model copied?")
        group = groups[id(p)]
        lr = float(group["lr"])
        rate = 1.0 if lr == reference else lr / reference
        try:
            below = denominator(optimizer.state.get(p, {}), group, p)
        except KeyError:
            raise ValueError(
                f"parameter {name!r} has no state in {type(optimizer).__name__} yet. "
                "Take a step first."
            ) from None
        below = whole(below).to(objective.device, objective.dtype)
        parts.append((rate / below).reshape(-1))
    D = torch.cat(parts).detach()
    if not bool((torch.isfinite(D) & (D > 0)).all()):
        raise ValueError(
            "the optimizer divides by zero for some parameter, one that never had a gradient "
            "perhaps. Give it `eps > 0`, or leave the parameter out with `parameters=`."
        )
    return D


def _adam(state: dict[str, Any], group: dict[str, Any], _: Tensor) -> Tensor:
    second = state["max_exp_avg_sq"] if group.get("amsgrad") else state["exp_avg_sq"]
    correction = 1 - float(group["betas"][1]) ** float(state["step"])
    return (second / correction).sqrt() + group["eps"]


def _rmsprop(state: dict[str, Any], group: dict[str, Any], _: Tensor) -> Tensor:
    second = state["square_avg"]
    if group.get("centered"):
        second = second - state["grad_avg"] ** 2
    return second.sqrt() + group["eps"]


def _adagrad(state: dict[str, Any], group: dict[str, Any], _: Tensor) -> Tensor:
    return state["sum"].sqrt() + group["eps"]


def _sgd(_: dict[str, Any], __: dict[str, Any], p: Tensor) -> Tensor:
    return torch.ones_like(p)


_UNREAD = {"Adadelta", "Adafactor", "Adamax", "RAdam", "SparseAdam"}
_Denominator = Callable[[dict[str, Any], dict[str, Any], Tensor], Tensor]
_KNOWN: dict[str, _Denominator] = {
    "Adam": _adam,
    "AdamW": _adam,
    "NAdam": _adam,
    "RMSprop": _rmsprop,
    "Adagrad": _adagrad,
    "SGD": _sgd,
}
