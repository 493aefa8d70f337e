"""Gradients that can be differentiated once more, kept while they fit into memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch import Tensor

from passband.errors import NonFiniteError
from passband.operators.memory import Measured, free_memory
from passband.problem import BatchLoss, Objective, Snapshot
from passband.problem.batches import tensors
from passband.problem.finite import all_finite
from passband.problem.twice import check_connected

G = TypeVar("G")

# what torch.func inside the model says where saved tensors are to be seen
_UNSEEN = ("saved tensor hooks", "invalid python storage")

# resident memory grew by 1.2 to 2.3 times the saved tensors, and by more during a product
_CHARGE = 3


@dataclass(frozen=True, slots=True, eq=False)
class Graph(Generic[G]):
    """What was built for one batch.

    Attributes:
        loss: The loss of the batch.
        weight: Its share of the objective.
        built: The differentiable tensors.
    """

    loss: BatchLoss
    weight: float
    built: G


class Graphs(Generic[G]):
    """One graph for every batch of an objective; those that fit into memory are kept.

    Everything the model computes with is copied: the graphs do not follow its training.

    Args:
        objective: The mean loss.
        make: Builds what is wanted at a leaf ``theta``; first comes the tensor that is
            differentiated once more.
        memory: Bytes to keep; a quarter of what is free, if not given.
    """

    theta: Tensor

    def __init__(
        self,
        objective: Objective,
        make: Callable[[BatchLoss, Tensor], tuple[Tensor, G]],
        *,
        memory: int | None,
    ) -> None:
        if not isinstance(objective, Objective):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"`objective` must be an Objective; got {type(objective).__name__}. "
                "Write `Objective(model, loss, data)`."
            )
        if memory is not None and not memory >= 0:
            raise ValueError(f"`memory` must be a number of bytes, 0 or more; got {memory!r}.")
        self.objective = objective
        self.snapshot: Snapshot = objective.snapshot()
        self.theta = self.snapshot.theta.requires_grad_()
        self._make = make
        self._memory = free_memory(objective.device) // 4 if memory is None else memory
        self._batches = sum(count > 0 for count in objective.counts)
        self._kept: list[Graph[G]] | None = None

    def __iter__(self) -> Iterator[tuple[Graph[G], bool]]:
        """Yield every graph, and whether it is kept."""
        for graph in self.kept_ones():
            yield graph, True
        for weight, loss in self.others():
            yield Graph(loss, weight, self._make(loss, self.theta)[1]), False

    def kept_ones(self) -> list[Graph[G]]:
        """Return the graphs that are kept, built if they are not there."""
        if self._kept is None:
            self._kept = self._build()
        return self._kept

    def others(self) -> Iterator[tuple[float, BatchLoss]]:
        """Yield weight and loss of every batch whose graph is not kept."""
        if len(self.kept_ones()) == self._batches:
            return
        known = {graph.loss.number for graph in self.kept_ones()}
        for weight, loss in self.objective.batches(self.snapshot):
            if loss.number not in known:
                yield weight, loss

    @property
    def kept(self) -> int:
        """Number of graphs that are kept now."""
        return len(self._kept or ())

    def release(self) -> None:
        """Drop all graphs; they are built again when needed."""
        self._kept = None

    def _build(self) -> list[Graph[G]]:
        kept: list[Graph[G]] = []
        charge, rate = 0, 0.0
        for weight, loss in self.objective.batches(self.snapshot):
            built: G | None = None
            if not kept:
                (gradient, built), saved = self._measured(loss)
                check_connected(gradient)
                if saved is None:
                    return []
                rate = (_CHARGE * saved + gradient.nbytes) / max(1, _numbers(loss.batch))
            cost = int(rate * _numbers(loss.batch))
            if charge + cost > self._memory:
                break
            kept.append(
                Graph(loss, weight, built if built is not None else self._make(loss, self.theta)[1])
            )
            charge += cost
        return kept

    def _measured(self, loss: BatchLoss) -> tuple[tuple[Tensor, G], int | None]:
        """Return what is built and the bytes its graph saved, or None where nobody can see."""
        measured = Measured(self.theta)
        try:
            with measured.hooks():
                return self._make(loss, self.theta), measured.bytes
        except RuntimeError as error:
            if not any(sign in str(error) for sign in _UNSEEN):
                raise
        return self._make(loss, self.theta), None  # torch.func inside the model


def check_finite(product: Tensor, v: Tensor, number: int) -> None:
    """Raise `NonFiniteError` for a product that is not finite, naming the vector or the batch."""
    if all_finite(product):
        return
    if not all_finite(v):
        raise NonFiniteError("the vector to multiply is not finite.")
    raise NonFiniteError(
        f"the second derivative of batch {number} is not finite; its loss and gradient are. Look "
        "for a square root, norm or power at 0."
    )


def _numbers(batch: Any) -> int:
    return sum(t.numel() for t in tensors(batch))
