"""Players and layers: where they are, their share of a perturbation, the norms between them."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, final

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from passband._shapes import Float
from passband.operators import LinearOperator, UpdateJacobian
from passband.transients.matrix_free.singular import Multiply, largest_singular

_RTOL, _MOST = 1e-3, 20
_COUPLED = 4  # at most so many parts are compared without being asked


@final
class Share(NamedTuple):
    """How much of the worst transient is in one place.

    Attributes:
        name: The part, or the tensor in it.
        start: Share of the squared norm of the perturbation to begin with.
        peak: Share of the squared norm of what it has become at the peak.
    """

    name: str
    start: float
    peak: float


def parts_of(J: LinearOperator, parts: Any) -> dict[str, slice]:
    """Return the place of every part, from what the caller gave or from the state of a step."""
    if parts is None:
        own = J.parts if isinstance(J, UpdateJacobian) else {}
        return dict(own) if len(own) > 1 else {}
    if isinstance(parts, Mapping):
        named = {str(name): place for name, place in parts.items()}
    else:
        sizes = [int(size) for size in parts]
        ends = np.cumsum([0, *sizes]).tolist()
        named = {str(i): slice(ends[i], ends[i + 1]) for i in range(len(sizes))}
    starts = sorted((place.start or 0, place.stop, place.step) for place in named.values())
    reached = 0
    for start, stop, stride in starts:
        if start != reached or stop is None or not stop > start or stride not in {None, 1}:
            break
        reached = stop
    else:
        if reached == J.size:
            return named
    raise ValueError(
        f"`parts` must divide {J.size} entries, sizes of that sum or slices without gaps; got "
        f"{parts!r}."
    )


def shares_of(
    places: Iterable[tuple[str, slice]], start: Float[Tensor, " n"], peak: Float[Tensor, " n"]
) -> tuple[Share, ...]:
    """Return the shares of squared norm in every place."""

    def shares(v: Tensor, places: Sequence[tuple[str, slice]]) -> list[float]:
        squares = [float(v[place].double().square().sum()) for _, place in places]
        total = float(v.double().square().sum()) or 1.0
        return [square / total for square in squares]

    listed = list(places)
    columns = zip(listed, shares(start, listed), shares(peak, listed), strict=True)
    return tuple(Share(name, first, last) for (name, _), first, last in columns)


def block_norms(
    multiply: Multiply, parts: Mapping[str, slice], like: Float[Tensor, " n"], *, seed: int
) -> Float[ndarray, "m m"]:
    """Return the norms of all blocks, with their estimated errors added."""
    generator = torch.Generator().manual_seed(seed)
    places = list(parts.values())
    norms = np.zeros((len(places), len(places)))
    for i, row in enumerate(places):
        for j, column in enumerate(places):
            start = torch.randn(column.stop - column.start, generator=generator, dtype=like.dtype)
            found = largest_singular(
                partial(_between, multiply, like, column, row, adjoint=False),
                partial(_between, multiply, like, row, column, adjoint=True),
                start.to(like.device),
                rtol=_RTOL,
                most=_MOST,
            )
            norms[i, j] = found.value + found.error
    return norms


def worth_comparing(parts: Mapping[str, slice], *, asked: bool) -> bool:
    """Return whether block norms should be measured: their number is squared."""
    return len(parts) > 1 and (asked or len(parts) <= _COUPLED)


def _between(
    multiply: Multiply, like: Tensor, source: slice, target: slice, x: Tensor, *, adjoint: bool
) -> Tensor:
    whole = torch.zeros_like(like)
    whole[source] = x
    return multiply(whole, adjoint=adjoint)[target]
