"""One operator over several processes, each with its share of the data."""

from typing import Any, final

import torch
import torch.distributed as dist
from torch import Tensor
from typing_extensions import override

from passband._shapes import Float
from passband.errors import PassbandError
from passband.operators.base import LinearOperator

_SAME = 1e-4  # relative: what single precision may lose in the sum of a vector


@final
class Distributed(LinearOperator):
    """The mean of one operator a process, weighted by samples: ``Σ nᵣ Aᵣ / Σ nᵣ``.

    Each process makes the Hessian of the mean loss over its own share of the data, of any size,
    and wraps it. Products are then those of the whole data, the same numbers on every process,
    so everything that takes an operator works: call it on all processes with the same arguments
    and seeds. A product sends one vector of the size of the model.

    An error on one process is an error on all; a process that dies is one as soon as the
    network says so.

    Args:
        share: The operator of this process's share, such as ``Hessian(objective)``.
        samples: What the share counts; the samples of its objective, if not given.
        group: The processes; all, if not given.

    Raises:
        PassbandError: There is no process group, or the processes have different models.

    Example:
        On every process of ``torchrun --nproc-per-node 2``::

            objective = pb.Objective(model, loss, my_share_of_the_data)
            spectrum = pb.eigenvalues(pb.Distributed(pb.Hessian(objective)), k=3)
    """

    def __init__(
        self, share: LinearOperator, *, samples: float | None = None, group: Any = None
    ) -> None:
        if not (dist.is_available() and dist.is_initialized()):
            raise PassbandError(
                "`Distributed` needs processes: start with `torchrun`, and call "
                "`torch.distributed.init_process_group()` first."
            )
        objective: Any = getattr(share, "objective", None)
        if samples is None:
            if objective is None:
                raise ValueError(f"say how many `samples` the share of {share!r} counts.")
            samples = float(objective.samples)
        if not samples > 0:
            raise ValueError(f"`samples` must be positive; got {samples!r}.")
        self.share, self.group = share, group
        self.size, self.dtype, self.device = share.size, share.dtype, share.device
        self.symmetric = share.symmetric
        mine = (share.size, str(share.dtype), type(share).__name__, _mark(objective))
        self._check_alike(mine)
        total = torch.tensor([samples], dtype=torch.float64, device=self.device)
        dist.all_reduce(total, group=group)
        self._weight = samples / float(total)

    def _check_alike(self, mine: tuple[Any, ...]) -> None:
        every: list[Any] = [None] * dist.get_world_size(self.group)
        dist.all_gather_object(every, mine, group=self.group)
        if any(other != every[0] for other in every):
            raise PassbandError(
                "the processes differ in their operators or weights: "
                f"{'; '.join(f'rank {i}: {other}' for i, other in enumerate(every))}. "
                "Broadcast the model first, as DistributedDataParallel does."
            )

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._mean(lambda: self.share @ v, v)

    @override
    def _rmatvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._mean(lambda: self.share.T @ v, v)

    @override
    def start(self) -> Float[Tensor, " n"] | None:
        """Return the mean of the starts of the shares: the whole gradient, of Hessians."""
        own = self.share.start()
        return None if own is None else self._mean(lambda: own, torch.zeros_like(own))

    def _mean(self, part: Any, v: Tensor) -> Tensor:
        """Return the weighted mean of what every process computes, after an exchange of errors."""
        failure: Exception | None = None
        sent = torch.zeros(self.size + 3, dtype=self.dtype, device=self.device)
        try:
            torch.mul(part(), self._weight, out=sent[: self.size])
        except Exception as error:
            failure = error
            sent[self.size] = 1
        mark = v.sum()
        sent[self.size + 1], sent[self.size + 2] = mark, mark * mark
        dist.all_reduce(sent, group=self.group)
        failed, first, second = sent[self.size :].tolist()
        if failure is not None:
            raise failure
        if failed:
            raise PassbandError(f"the product failed on {failed:.0f} other process(es); see there.")
        processes = dist.get_world_size(self.group)
        if abs(processes * second - first * first) > _SAME * processes * abs(second):
            raise PassbandError(
                "the processes multiplied different vectors. Give all of them the same start and "
                "seed, and the same number of threads."
            )
        return sent[: self.size].clone()


def _mark(objective: Any) -> float | None:
    """Return a number that tells different weights apart."""
    if objective is None:
        return None
    theta = objective.theta.double()
    return float((theta * torch.cos(torch.arange(len(theta), device=theta.device))).sum())
