"""One process with all of the probe set, or several with a share each: the same questions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, final

import torch
import torch.distributed as dist
from torch import Tensor

from passband._shapes import Float
from passband.errors import first_line
from passband.operators import Distributed, Hessian, LinearOperator
from passband.operators.distributed import gathered, settled
from passband.problem import Objective

T = TypeVar("T")


@final
@dataclass(frozen=True, slots=True)
class Shares:
    """Who measures.

    Attributes:
        several: Whether all processes measure together, each on its share of the probe set.
    """

    several: bool = False

    def gathered(self, compute: Callable[[], T]) -> list[T]:
        """Return what every process computes; an error on one is an error on all."""
        return gathered(compute) if self.several else [compute()]

    def whole(self, hessian: Hessian) -> LinearOperator:
        """Return the operator of the whole probe set."""
        return Distributed(hessian) if self.several else hessian

    def value_and_gradient(self, objective: Objective) -> tuple[float, Float[Tensor, " n"]]:
        """Return loss and gradient over the whole probe set. Costs one gradient."""
        if not self.several:
            return objective.value_and_gradient()

        def weighted() -> tuple[float, Tensor]:
            value, gradient = objective.value_and_gradient()
            return value * objective.samples, gradient * objective.samples

        found: list[Tensor] = []

        def mine() -> tuple[float, float]:
            value, gradient = weighted()
            found.append(gradient)
            return value, objective.samples

        every = self.gathered(mine)
        samples = sum(count for _, count in every)
        (total,) = found
        dist.all_reduce(total)
        return sum(value for value, _ in every) / samples, total / samples

    def agreed(self, error: Exception | None) -> list[Exception | None]:
        """Return the error of every process, None where it has none."""
        if not self.several:
            return [error]
        return settled(None if error is None else _plain(error))

    def first(self, answer: bool) -> bool:
        """Return the answer of the first process, whose clock counts."""
        if not self.several:
            return answer
        device = torch.device("cuda") if dist.get_backend() == "nccl" else torch.device("cpu")
        said = torch.tensor([float(answer)], device=device)
        dist.broadcast(said, src=0)
        return bool(said.item())


def _plain(error: Exception) -> Exception:
    """Return an error that can be sent."""
    line = first_line(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return MemoryError(line)
    return RuntimeError(f"{type(error).__name__}: {line}")
