"""A gradient divided by its length."""

import torch

from passband.optim._checked import Part
from passband.optim._lists import divided, norm


def normalized(parts: list[Part]) -> list[Part]:
    """Return the unit vector along all vectors together; zeros where they vanish."""
    length = norm([v for part in parts for v in part.vectors])
    unit: list[Part] = []
    for group, params, vectors in parts:
        # below the smallest normal number the reciprocal overflows: the gradient has vanished
        vanished = length < max(torch.finfo(v.dtype).tiny for v in vectors)
        quotient = divided(vectors, torch.inf if vanished else length, foreach=group.get("foreach"))
        unit.append(Part(group, params, quotient))
    return unit
