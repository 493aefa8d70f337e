"""One eigenvalue under a filter."""

import math
from dataclasses import dataclass
from typing import Literal, final

from passband.filters import Passband

State = Literal["admitted", "flat", "above the edge", "escaping", "leak", "undecided"]

_FLAT = 1e-3  # of the edge: a wider bar around zero may hide a negative curvature that grows


@final
@dataclass(frozen=True, slots=True)
class Mode:
    """One eigenvalue under the filter.

    Attributes:
        curvature: Hessian eigenvalue λ.
        error: Error bar of λ, as the spectrum reports it.
        radius: Spectral radius of ``M(λ)``: the factor per step.
        state: ``"admitted"``; ``"flat"`` where λ cannot be told from zero, by a thousandth of
            the edge at most: every filter admits zero; ``"above the edge"``, also between
            islands; ``"escaping"``, a negative curvature that the optimizer leaves; ``"leak"``,
            one that it does not; ``"undecided"`` where the error bar holds a boundary.
    """

    curvature: float
    error: float
    radius: float
    state: State


def state_of(lam: float, error: float, passband: Passband) -> State:
    """Return where the error bar of an eigenvalue lies."""
    low, high = lam - error, lam + error
    if low <= 0 <= high and error <= _FLAT * passband.edge:
        return "flat"
    if any(interval.lower <= low and high <= interval.upper for interval in passband):
        return "admitted" if lam > 0 else "leak"
    if any(interval.lower <= high and low <= interval.upper for interval in passband):
        return "undecided"
    return "above the edge" if lam > 0 else "escaping"


def explained(mode: Mode) -> str:
    """Return a mode's state in words."""
    growth = math.log(mode.radius) if mode.radius > 1 else 0.0
    match mode.state:
        case "admitted":
            return ""
        case "flat":
            return "flat: not told from zero"
        case "above the edge":
            return "above the edge: not let through"
        case "escaping":
            pace = f": e times farther every {1 / growth:.3g} steps" if growth else ""
            return f"negative curvature{pace}"
        case "leak":
            return "negative curvature that is let through: this saddle attracts"
        case "undecided":
            return "the error bar holds a boundary"
