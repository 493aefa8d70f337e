"""A gradient divided by its length."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from passband.optim._checked import Part, Way
from passband.optim._lists import dense, divide_, multiply_, norm

_ORDINARY = (1e-15, 1e15)  # lengths whose reciprocal is a number in every precision


def normalized(parts: list[Part], *, adaptive: bool = False) -> Way:
    """Return the unit vector along all vectors together; zero where they vanish.

    If ``adaptive``, it has length one in units of the parameters: ``p² v / ‖p v‖`` elementwise.
    """
    if adaptive:
        parts = _copied(parts, lambda v, p: p * dense(v))
    length = norm([v for part in parts for v in part.vectors])
    if not math.isfinite(length):
        return Way(parts, factor=length)
    smallest = max(torch.finfo(v.dtype).tiny for part in parts for v in part.vectors)
    if length < smallest:  # the reciprocal may overflow: the gradient has vanished
        return Way(parts, factor=0, known_finite=True)
    if not adaptive:
        if _ORDINARY[0] < length < _ORDINARY[1]:
            return Way(parts, factor=1 / length, known_finite=True)
        parts = _copied(parts, lambda v, _: v.clone())
    for group, params, vectors in parts:
        divide_(vectors, length, foreach=group.get("foreach"))
        if adaptive:
            multiply_(vectors, params, foreach=group.get("foreach"))
    return Way(parts, known_finite=True)


def _copied(parts: list[Part], copy: Callable[[Tensor, Tensor], Tensor]) -> list[Part]:
    """Return parts with vectors of their own, made from each vector and its parameter."""
    return [
        Part(group, params, [copy(v, p) for v, p in zip(vectors, params, strict=True)])
        for group, params, vectors in parts
    ]
