"""How far values that converge geometrically still have to go."""

import itertools
import math

from torch import Tensor

STEPS = 6
_CAUTION = 1.5
_STEADY = 0.8


def extrapolated(trail: list[Tensor]) -> list[float]:
    """Return the errors of the last values, from those of `STEPS` steps; empty if there are fewer.

    Where every step ``d`` is at most ``q`` times the one before, the rest of the way is
    ``d q / (1 - q)``. Infinite where they do not shrink steadily.

    Args:
        trail: Values of the same eigenvalues at successive steps, each of shape ``(k,)``.
    """
    if len(trail) < STEPS or len({len(values) for values in trail}) > 1:
        return []
    steps = [(b - a).abs().tolist() for a, b in itertools.pairwise(trail[-STEPS:])]
    errors: list[float] = []
    for d in zip(*steps, strict=True):
        q = max(b / a if a else math.inf * b if b else 0.0 for a, b in itertools.pairwise(d))
        errors.append(_CAUTION * d[-1] * q / (1 - q) if q < _STEADY else math.inf)
    return errors
