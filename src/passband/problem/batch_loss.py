"""The loss of one batch as a function of one flat vector."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, final

import torch
from torch import Tensor, nn

from passband._shapes import Float
from passband.errors import NonFiniteError
from passband.problem.explain import described, explained, noted
from passband.problem.finite import all_finite
from passband.problem.losses import scalar
from passband.problem.randomness import fixed_randomness
from passband.problem.snapshot import Runner, Snapshot

T = TypeVar("T")

_CALLED_WRONGLY = (TypeError, AttributeError)
_APART = "The model returns no tensor: write a loss that takes out what it needs."
_OTHERWISE = (
    "If the loss takes the model and a batch, name its first argument `model` or say "
    '`takes="model, batch"` in an `Objective`.'
)


@final
@dataclass(frozen=True, slots=True, eq=False)
class BatchLoss:
    """The loss ``Lᵢ(θ)`` of one batch: ``loss(theta)`` is a tensor with a graph.

    Attributes:
        function: The loss as the user wrote it.
        takes_model: Whether that is ``function(model, batch)``.
        batch: The data.
        number: Which batch it is, from 0.
        seed: Seeds everything random in the model, afresh in every evaluation.
        runner: Runs the model at ``θ``.
        snapshot: Everything of the model that is not ``θ``.
    """

    function: Callable[..., Any]
    takes_model: bool
    batch: Any
    number: int
    seed: int
    runner: Runner
    snapshot: Snapshot

    def __call__(self, theta: Float[Tensor, " n"]) -> Tensor:
        """Return the loss, differentiable in ``theta`` if that asks for it."""
        return self.run(theta, self.of_model)

    def value(self, theta: Float[Tensor, " n"]) -> float:
        """Return the loss as a finite number."""
        return self.finite(self(theta.detach().requires_grad_()))

    def gradient(self, theta: Float[Tensor, " n"]) -> tuple[float, Float[Tensor, " n"]]:
        """Return the loss and its gradient, both finite."""
        value, gradient = self.differentiate(theta.detach().requires_grad_(), create_graph=False)
        return value, gradient.detach()

    def differentiate(
        self, theta: Float[Tensor, " n"], *, create_graph: bool
    ) -> tuple[float, Float[Tensor, " n"]]:
        """Return the loss and its gradient at a leaf ``theta``, both finite.

        With ``create_graph`` the gradient can be differentiated once more.
        """

        def task(model: nn.Module) -> tuple[float, Tensor]:
            loss = self.of_model(model)
            value = self.finite(loss)
            if not loss.requires_grad:
                return value, torch.zeros_like(theta)
            (gradient,) = torch.autograd.grad(
                loss, theta, create_graph=create_graph, allow_unused=True, materialize_grads=True
            )
            return value, gradient

        value, gradient = self.run(theta, task)
        if not all_finite(gradient.detach()):
            raise NonFiniteError(
                f"the gradient of batch {self.number} is not finite, at {self._where(gradient)}. "
                "Its loss is: look for a square root, norm or logarithm at 0."
            )
        return value, gradient

    def run(self, theta: Float[Tensor, " n"], task: Callable[[nn.Module], T]) -> T:
        """Return ``task(model)`` with this batch's random numbers, autograd's errors explained."""
        with (
            explained(f"batch {self.number} cannot be differentiated"),
            fixed_randomness(self.seed, theta.device),
        ):
            return self.runner.run(self.snapshot, theta, task)

    def of_model(self, model: nn.Module) -> Tensor:
        """Return the loss of the model inside a task."""
        if not self.takes_model:
            return self.of_pair(model)[1]
        with noted(lambda _: f"`loss(model, batch)` of batch {self.number}"):
            loss = self.function(model, self.batch)
        return scalar(loss, takes="model, batch")

    def of_pair(self, model: nn.Module) -> tuple[Any, Tensor]:
        """Return the model's output on the input of a pair, and its loss."""
        (x, y), theta = self.batch, self.snapshot.theta
        weights = f"the weights are {theta.dtype} on {theta.device}"
        with noted(lambda _: f"the model on batch {self.number}: {described(x)}; {weights}"):
            output = model(x)
        pair = "`loss(output, target)`"

        def doing(error: Exception) -> str:
            both = f"{pair}: {described(output)}, and {described(y)}"
            if not isinstance(output, Tensor):
                return f"{both}. {_APART}"
            return f"{both}. {_OTHERWISE}" if isinstance(error, _CALLED_WRONGLY) else both

        with noted(doing):
            loss = self.function(output, y)
        return output, scalar(loss, takes="output, target")

    def finite(self, loss: Tensor) -> float:
        """Return the loss as a number, or name the batch."""
        value = float(loss.detach())
        if not math.isfinite(value):
            raise NonFiniteError(
                f"the loss of batch {self.number} is {value}. Look for NaN or infinity in its data "
                "and in the weights; training may have diverged."
            )
        return value

    def _where(self, gradient: Tensor) -> str:
        parts = self.runner.split(gradient.detach()).items()
        bad = [name for name, part in parts if not bool(torch.isfinite(part).all())]
        return ", ".join(bad[:3]) + (" and others" if len(bad) > 3 else "")
