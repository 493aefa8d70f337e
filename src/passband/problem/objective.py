"""The loss as a function of one flat vector."""

import math
from collections.abc import Callable, Iterator
from typing import Any, final

import torch
from torch import Tensor, nn
from typing_extensions import override

from passband._shapes import Float
from passband.problem.batch_loss import BatchLoss
from passband.problem.batches import Batches
from passband.problem.checks import check_loss, check_pair, original
from passband.problem.losses import Takes, takes_model
from passband.problem.parameters import Choice, choose
from passband.problem.snapshot import Runner, Snapshot
from passband.problem.twice import replacements


@final
class Objective:
    """The mean loss over all data, ``L(θ) = Σ nᵢ Lᵢ(θ) / Σ nᵢ``, of one flat vector ``θ``.

    Every batch counts by its samples, so an uneven last batch is exact. The model is used
    in the mode it is in: put it in the mode in which its curvature is asked for. In training
    mode batch norm makes ``Lᵢ`` depend on its batch, and dropout is frozen: each batch has
    one mask, the same in every evaluation.

    Evaluating leaves no trace: weights, buffers, gradients, modes and the random states of
    torch, numpy and Python stay bit for bit. The objective follows the model: after a training
    step it is the loss at the new parameters.

    A list of batches is used in place. A loader is read once and its batches, moved to the
    model's device, are kept up to 1 GiB; a larger one is read again for every pass, and
    checked to yield the same.

    A model that ``fully_shard`` has spread over processes is measured as it is: its parameters are
    gathered, in their own precision, whenever the model is looked at, so all processes must
    measure together. Its share of the data is each process's own; see `passband.Distributed`.

    Args:
        model: The network. A compiled one is replaced by its original.
        loss: ``loss(output, target)``, a mean over the batch, or ``loss(model, batch)``, for
            any batch: a dictionary, several inputs, a penalty on the weights.
        data: A pair of tensors ``(x, y)``, a list of batches, or a DataLoader.
        parameters: Which parameters make up ``θ``: all trainable ones; or names, patterns
            (``"layers.*"``), parameters, or a function of ``(name, parameter)``. Tied
            parameters count once.
        takes: How the loss is called, where its first argument's name does not say it:
            ``"output, target"`` or ``"model, batch"``.
        count: What a batch counts, ``count(batch)``, where it is not its number of
            samples, such as the unmasked tokens of a language model.
        seed: Seeds dropout.

    Raises:
        ValueError: No data, no parameters, half precision, a loss that is no mean, tensors on
            another device; or inside ``torch.inference_mode()``.
        NonFiniteError: The loss of the first batch is not finite.
        NotDeterministicError: The same batch has two losses.

    Example:
        >>> x, y = torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1)
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> objective = Objective(model, torch.nn.functional.mse_loss, (x, y))
        >>> objective.value(torch.tensor([2.0])), objective.gradient(torch.tensor([2.0]))
        (20.0, tensor([20.]))
    """

    model: nn.Module
    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]
    size: int
    dtype: torch.dtype
    device: torch.device
    seed: int
    loss: Callable[..., Any]
    takes_model: bool
    counts: tuple[float, ...]
    samples: float

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[..., Any],
        data: Any,
        *,
        parameters: Choice = None,
        takes: Takes = "auto",
        count: Callable[[Any], float] | None = None,
        seed: int = 0,
    ) -> None:
        if torch.is_inference_mode_enabled():
            raise ValueError(
                "inside `torch.inference_mode()` nothing can be differentiated. Measure outside "
                "of it; `torch.no_grad()` does no harm."
            )
        self.model = original(model)
        chosen = choose(self.model, parameters)
        self.names = tuple(chosen)
        self.shapes = tuple(p.shape for p in chosen.values())
        self.size = sum(shape.numel() for shape in self.shapes)
        first = next(iter(chosen.values()))
        self.dtype, self.device = first.dtype, first.device
        self.seed, self.loss = seed, loss
        self.takes_model = takes_model(loss, takes, data)
        self._runner = Runner(
            self.model, self.names, self.shapes, replaced=replacements(self.model)
        )
        self._data = Batches(data, pairs=not self.takes_model, device=self.device, count=count)
        self.counts = tuple(self._data.counts)
        self.samples = math.fsum(self.counts)
        if not self.takes_model:
            check_pair(self._data, self.device)
        check_loss(next(loss for _, loss in self.batches()), self.theta)

    @property
    def theta(self) -> Float[Tensor, " n"]:
        """The chosen parameters of the model as it is now, a copy."""
        return self._runner.theta()

    def snapshot(self) -> Snapshot:
        """Copy everything the model computes with."""
        return self._runner.snapshot()

    def split(self, v: Float[Tensor, " n"]) -> dict[str, Tensor]:
        """Return a flat vector as tensors, by the names of their parameters."""
        return self._runner.split(v)

    def batches(self, snapshot: Snapshot | None = None) -> Iterator[tuple[float, BatchLoss]]:
        """Yield every batch's weight, all of which sum to 1, and its loss as a function of θ.

        Args:
            snapshot: The model's other tensors; those it has now, if not given.
        """
        fixed = snapshot or self.snapshot()
        for number, batch in enumerate(self._data):
            if weight := self.counts[number] / self.samples:
                yield (
                    weight,
                    BatchLoss(
                        function=self.loss,
                        takes_model=self.takes_model,
                        batch=batch,
                        number=number,
                        seed=self.seed + number,
                        runner=self._runner,
                        snapshot=fixed,
                    ),
                )

    def value(self, theta: Float[Tensor, " n"] | None = None) -> float:
        """Return the loss at ``theta``, or where the model is. Costs one forward pass."""
        at, snapshot = self._at(theta)
        return math.fsum(w * loss.value(at) for w, loss in self.batches(snapshot))

    def gradient(self, theta: Float[Tensor, " n"] | None = None) -> Float[Tensor, " n"]:
        """Return the gradient at ``theta``, or where the model is. Costs one gradient."""
        return self.value_and_gradient(theta)[1]

    def value_and_gradient(
        self, theta: Float[Tensor, " n"] | None = None
    ) -> tuple[float, Float[Tensor, " n"]]:
        """Return the loss and its gradient. Costs one gradient."""
        at, snapshot = self._at(theta)
        value, total = 0.0, torch.zeros_like(at)
        for weight, loss in self.batches(snapshot):
            part, gradient = loss.gradient(at)
            value += weight * part
            total.add_(gradient, alpha=weight)
        return value, total

    def _at(self, theta: Tensor | None) -> tuple[Tensor, Snapshot]:
        snapshot = self.snapshot()
        if theta is None:
            return snapshot.theta, snapshot
        if theta.shape != (self.size,) or theta.dtype != self.dtype or theta.device != self.device:
            raise ValueError(
                f"`theta` must have shape ({self.size},), {self.dtype}, on {self.device}; got "
                f"shape {tuple(theta.shape)}, {theta.dtype}, on {theta.device}."
            )
        return theta.detach(), snapshot

    @override
    def __repr__(self) -> str:
        return (
            f"<Objective of {self.size:,} parameters, {self.samples:,.10g} samples in "
            f"{len(self.counts)} batches, {self.dtype}, {self.device}>"
        )
