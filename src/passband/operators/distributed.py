"""One operator over several processes, each with its share of the data."""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast, final

import torch
import torch.distributed as dist
from torch import Tensor
from typing_extensions import override

from passband._shapes import Float
from passband.errors import PassbandError
from passband.operators.base import LinearOperator

T = TypeVar("T")

_SAME = 1e-5  # of the sum of magnitudes: what rounding may change where threads differ


@final
class Distributed(LinearOperator):
    """The mean of one operator a process, weighted by samples: ``Σ nᵣ Aᵣ / Σ nᵣ``.

    Each process makes the Hessian of the mean loss over its own share of the data, of any size,
    and wraps it. Products are then those of the whole data, the same numbers on every process,
    so everything that takes an operator works: call it on all processes with the same arguments
    and seeds. A product sends one vector of the size of the model.

    If one process raises, all processes raise. If one dies, the others raise as soon as the
    network reports it.

    Args:
        share: The operator of this process's share, such as ``Hessian(objective)``.
        samples: What the share counts; the samples of its objective, if not given.
        group: The processes; all, if not given.

    Raises:
        PassbandError: There is no process group, the processes have different models, or another
            process failed.
        ValueError: ``samples`` is not positive, or is needed and not given.

    Example:
        On every process of ``torchrun --nproc-per-node 2``::

            objective = pb.Objective(model, loss, my_share_of_the_data)
            spectrum = pb.eigenvalues(pb.Distributed(pb.Hessian(objective)), k=3)
    """

    share: LinearOperator
    group: Any

    def __init__(
        self, share: LinearOperator, *, samples: float | None = None, group: Any = None
    ) -> None:
        if not (dist.is_available() and dist.is_initialized()):
            raise PassbandError(
                "`Distributed` needs processes: start with `torchrun`, and call "
                "`torch.distributed.init_process_group()` first."
            )
        self.share, self.group = share, group
        self._lives(share.size, share.dtype, share.device, symmetric=share.symmetric)
        objective: Any = getattr(share, "objective", None)

        def mine() -> tuple[Any, float]:
            kind = (share.size, str(share.dtype), type(share).__name__, _mark(objective))
            return kind, _counted(share, objective, samples)

        every = gathered(mine, group=group)
        if any(other != every[0][0] for other, _ in every):
            raise PassbandError(
                "the processes differ in their operators or weights: "
                f"{'; '.join(f'rank {i}: {other}' for i, (other, _) in enumerate(every))}. "
                "Broadcast the model first, as DistributedDataParallel does."
            )
        own = _counted(share, objective, samples)
        self._weight = own / math.fsum(count for _, count in every)

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._mean(lambda: self.share @ v, v)

    @override
    def _rmatvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._mean(lambda: self.share.T @ v, v)

    @override
    def start(self) -> Float[Tensor, " n"] | None:
        """Return the mean of the starts of the shares: the whole gradient, of Hessians."""
        own: list[Tensor | None] = []

        def found() -> bool:
            own.append(self.share.start())
            return own[0] is not None

        if not all(gathered(found, group=self.group)):
            return None
        return self._mean(lambda: cast("Tensor", own[0]), torch.zeros(1).to(self.device))

    def _mean(self, part: Callable[[], Tensor], v: Tensor) -> Tensor:
        """Return the weighted mean of what every process computes, after an exchange of errors."""
        sent: list[Tensor] = []

        def mine() -> tuple[float, float]:
            sent.append(part() * self._weight)
            return float(v.sum(dtype=torch.float64)), float(v.abs().sum(dtype=torch.float64))

        # errors first, so that nobody waits in vain
        marks, sizes = zip(*gathered(mine, group=self.group), strict=True)
        if max(marks) - min(marks) > _SAME * max(sizes):
            raise PassbandError(
                "the processes multiplied different vectors. Give all of them the same start and "
                "seed, and the same number of threads."
            )
        (total,) = sent
        dist.all_reduce(total, group=self.group)
        return total


def gathered(compute: Callable[[], T], *, group: Any = None) -> list[T]:
    """Return what every process computes, on all of them; an error on one is an error on all.

    Args:
        compute: Makes something small that can be pickled.
        group: The processes; all, if not given.

    Raises:
        PassbandError: Another process failed; the one that did raises its own error.
    """
    failure: Exception | None = None
    mine: Any = None
    try:
        mine = compute()
    except Exception as error:
        failure = error
    every = _exchange((failure is not None, False, mine), group)
    if failure is not None:
        raise failure
    if failed := sum(bad for bad, _, _ in every):
        raise PassbandError(f"{failed} other process(es) failed; see there.")
    return [result for _, _, result in every]


def settled(mine: T, *, group: Any = None) -> list[T]:
    """Return what every process has in the end, whatever went wrong on the way.

    One that failed comes here early and waits, while the others learn of it in `gathered`.
    """
    while True:
        every = _exchange((True, True, mine), group)
        if all(here for _, here, _ in every):
            return [result for _, _, result in every]


def _exchange(mine: tuple[bool, bool, Any], group: Any) -> list[tuple[bool, bool, Any]]:
    """Return the messages of all processes: whether one failed, is done, and what it has."""
    every: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(every, mine, group=group)
    return every


def _counted(share: LinearOperator, objective: Any, samples: float | None) -> float:
    """Return what a share counts."""
    if samples is None:
        if objective is None:
            raise ValueError(f"say how many `samples` the share of {share!r} counts.")
        samples = float(objective.samples)
    if not samples > 0:
        raise ValueError(f"`samples` must be positive; got {samples!r}.")
    return samples


def _mark(objective: Any) -> float | None:
    """Return a number that tells different weights apart."""
    if objective is None:
        return None
    theta = objective.theta.double()
    return float((theta * torch.cos(torch.arange(len(theta), device=theta.device))).sum())
