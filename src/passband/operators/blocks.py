"""Diagonal blocks: a part of an operator, and an operator made of parts."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor
from typing_extensions import override

from passband._shapes import Float
from passband.operators.base import LinearOperator


@final
class Block(LinearOperator):
    """The diagonal block ``A[part, part]`` of an operator; `LinearOperator.block` makes it.

    A product costs one of the whole operator.
    """

    def __init__(self, a: LinearOperator, part: slice) -> None:
        first, last, step = part.indices(a.size)
        if step != 1 or not first < last:
            raise ValueError(
                f"a block of {a} must be a part of 0:{a.size} without gaps; got "
                f"{part.start}:{part.stop}{'' if part.step is None else f':{part.step}'}."
            )
        self._a, self._part = a, slice(first, last)
        self._lives(last - first, a.dtype, a.device, symmetric=a.symmetric)

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._a.multiply(self._whole(v))[self._part].clone()

    @override
    def _rmatvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._a.multiply(self._whole(v), adjoint=True)[self._part].clone()

    @override
    def start(self) -> Float[Tensor, " n"] | None:
        start = self._a.start()
        return None if start is None else start[self._part].clone()

    def _whole(self, v: Tensor) -> Tensor:
        whole = torch.zeros(self._a.size, dtype=self.dtype, device=self.device)
        whole[self._part] = v
        return whole


@final
class BlockDiagonal(LinearOperator):
    """Operators side by side: each acts on its own part of a vector, none on another's.

    Args:
        blocks: Operators of one dtype and device, in order.

    Example:
        >>> from passband.operators import Identity
        >>> BlockDiagonal([Identity(1), 3 * Identity(2)]) @ torch.ones(3)
        tensor([1., 3., 3.])
    """

    def __init__(self, blocks: Sequence[LinearOperator]) -> None:
        if not blocks:
            raise ValueError("`blocks` must hold at least one operator; it is empty.")
        if len({(a.dtype, a.device) for a in blocks}) > 1:
            raise ValueError(f"`blocks` must share one dtype and device; got {list(blocks)}.")
        self._blocks, first = tuple(blocks), blocks[0]
        self._sizes = [a.size for a in blocks]
        self._lives(
            sum(self._sizes), first.dtype, first.device, symmetric=all(a.symmetric for a in blocks)
        )

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return torch.cat([a.multiply(part) for a, part in self._parts(v)])

    @override
    def _rmatvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return torch.cat([a.multiply(part, adjoint=True) for a, part in self._parts(v)])

    def _parts(self, v: Tensor) -> list[tuple[LinearOperator, Tensor]]:
        return list(zip(self._blocks, v.split(self._sizes), strict=True))
