"""A gradient divided by its length."""

import torch

from passband.optim._checked import Part
from passband.optim._lists import divided, norm


def normalized(parts: list[Part], *, adaptive: bool = False) -> list[Part]:
    """Return the unit vector along all vectors together; zeros where they vanish.

    If ``adaptive``, it has length one in units of the parameters: ``p² v / ‖p v‖`` elementwise.
    """
    if adaptive:
        parts = [
            Part(group, params, [p * v for p, v in zip(params, vectors, strict=True)])
            for group, params, vectors in parts
        ]
    length = norm([v for part in parts for v in part.vectors])
    unit: list[Part] = []
    for group, params, vectors in parts:
        # below the smallest normal number the reciprocal overflows: the gradient has vanished
        vanished = length < max(torch.finfo(v.dtype).tiny for v in vectors)
        quotient = divided(vectors, torch.inf if vanished else length, foreach=group.get("foreach"))
        if adaptive:
            quotient = [p * q for p, q in zip(params, quotient, strict=True)]
        unit.append(Part(group, params, quotient))
    return unit
