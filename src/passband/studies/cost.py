"""How long a training will take, roughly: to start long runs first and to say what remains."""

from collections.abc import Sequence
from itertools import pairwise

CALL = 5e-4
"""Seconds of one core that a gradient of a tiny network takes."""

SPEED = 6e10
"""Floating-point operations a second, of one core, on matrices of some size."""


def seconds_of(gradients: float, *, batch: int, widths: Sequence[int]) -> float:
    """Return seconds of one core for a number of gradients of a multilayer perceptron."""
    weights = sum(fan_in * fan_out for fan_in, fan_out in pairwise(widths))
    return gradients * (CALL + 6 * batch * weights / SPEED)
