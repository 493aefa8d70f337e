"""From a wanted edge to the option that gives it."""

import dataclasses
import math
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from scipy.optimize import brentq

from passband.errors import FilterWarning
from passband.filters.adaptive import Adam, AdamW, NAdam, RMSprop
from passband.filters.ascent import SAM, USAM, HessianUSAM
from passband.filters.ascent_variants import (
    ASAM,
    FisherSAM,
    GradientPenalty,
    NestedUSAM,
    UphillLoss,
)
from passband.filters.averaging import ScheduleFree
from passband.filters.base import Filter
from passband.filters.checks import check_nonnegative, check_positive
from passband.filters.distributed import EF21, Delayed, LocalSGD
from passband.filters.games import Extragradient, Optimistic
from passband.filters.memory import (
    QHM,
    DerivativeAction,
    ExtrapolatedNesterov,
    MixedMemory,
    Parity,
    Secant,
)
from passband.filters.schedule import HeldAscent, PeriodicAscent
from passband.filters.sgd import SGD
from passband.filters.sheet import call

F = TypeVar("F", bound=Filter)

_QUARTERINGS = 12  # the root is looked for over 4⁻¹² … 4¹² natural units
_ACCURACY = 1e-9  # relative, of the edge that the result has

_KNOBS: dict[type[Filter], tuple[str, ...]] = {
    SGD: ("lr",),
    USAM: ("rho", "lr"),
    HessianUSAM: ("rho", "lr"),
    NestedUSAM: ("rho", "lr"),
    GradientPenalty: ("rho", "lr"),
    UphillLoss: ("rho", "lr"),
    ASAM: ("rho", "lr"),
    FisherSAM: ("rho", "lr"),
    SAM: ("rho", "lr"),
    RMSprop: ("lr",),
    Adam: ("lr",),
    AdamW: ("lr",),
    NAdam: ("lr",),
    QHM: ("lr",),
    DerivativeAction: ("strength", "lr"),
    Secant: ("strength", "lr"),
    Parity: ("strength", "lr"),
    MixedMemory: ("strength", "lr"),
    ExtrapolatedNesterov: ("extrapolation", "lr"),
    Extragradient: ("lr",),
    Optimistic: ("strength", "lr"),
    Delayed: ("lr",),
    EF21: ("lr",),
    LocalSGD: ("lr",),
    ScheduleFree: ("lr",),
    PeriodicAscent: ("rho", "lr"),
    HeldAscent: ("rho", "lr"),
}


def knobs(family: type[Filter]) -> tuple[str, ...]:
    """Return the options of a family that `design` can solve for; none if it does not know it."""
    return _KNOBS.get(family, ())


def design(family: type[F], *, edge: float, **options: Any) -> F:
    """Return the filter of a family that has the wanted edge.

    What is solved for is the option that shapes the edge, ρ or a strength, where ``lr`` is given;
    otherwise ``lr``. Closed forms are used where there are any, root finding elsewhere, and the
    result is checked against its own passband.

    Args:
        family: A filter class, such as `USAM`.
        edge: The wanted edge, ``> 0``.
        **options: All other options of the family, as in its constructor.

    Raises:
        ValueError: If the edge cannot be reached; names the range that can.
        TypeError: If options are missing or too many, or the family has no such option.

    Warns:
        FilterWarning: If the result lets saddles through, away from zero curvature.

    Example:
        >>> from passband.filters import SGD, DerivativeAction
        >>> design(SGD, edge=20.0).lr
        0.1
        >>> round(design(DerivativeAction, edge=10.0, lr=0.1, momentum=0.9).strength, 6)
        0.073684
    """
    check_positive(edge=edge)
    knob = _knob(family, options)

    def made(value: float) -> F:
        return family(**options, **{knob: value})

    decay = options.get("weight_decay", 0.0)
    check_nonnegative(weight_decay=decay)
    unit = _unit(knob, edge, decay)
    least = unit * 4.0**-_QUARTERINGS if knob == "lr" else 0.0
    if not (plain := made(least)).edge > 0:
        raise ValueError(
            f"{call(plain)} has no edge, whatever `{knob}` is: it admits {plain.passband()}. "
            "Change the other options; a momentum belongs below 1."
        )
    result = _in_closed_form(made, knob, edge)
    if result is None or not _reaches(result, edge):
        result = _by_root(made, knob, edge, unit)
    if not _reaches(result, edge):
        raise ValueError(
            f"no `{knob}` gives {family.__name__} an edge of {edge:g}: with {call(result)} it "
            f"jumps, to {result.edge:g}. Choose another edge, or another lr."
        )
    leaks = [leak for leak in result.leaks if leak.upper < 0 and not leak.is_point]
    if leaks:
        warnings.warn(
            f"{call(result)} also lets saddles attract, at curvatures in "
            f"{' ∪ '.join(map(str, leaks))}. HessianUSAM, DerivativeAction and Secant reach the "
            "same edge without.",
            FilterWarning,
            stacklevel=2,
        )
    return result


def _knob(family: type[Filter] | Filter | str, options: dict[str, Any]) -> str:
    """Return the option to solve for, after all others are known to be there."""
    if isinstance(family, Filter):
        raise TypeError(
            f"`design` needs a filter class; got {call(family)}. Pass `{type(family).__name__}`."
        )
    if isinstance(family, str):
        names = {kind.__name__.lower(): kind.__name__ for kind in _KNOBS}
        name = names.get(family.lower(), "USAM")
        raise TypeError(
            f"`design` needs a filter class; got {family!r}. Pass the class `filters.{name}`."
        )
    if not (isinstance(family, type) and issubclass(family, Filter)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"`design` needs a filter class, one of `passband.filters`; got {family!r}."
        )
    known = _KNOBS.get(family)
    if known is None:
        raise TypeError(
            f"`design` does not know {family.__name__}. Known: "
            f"{', '.join(kind.__name__ for kind in _KNOBS)}. Of a composite, design the parts."
        )
    fields = {field.name: field for field in dataclasses.fields(family)}  # pyright: ignore[reportArgumentType]
    unknown = [name for name in options if name not in fields]
    if unknown:
        raise TypeError(
            f"{family.__name__} has no option `{unknown[0]}`. Known: {', '.join(fields)}."
        )
    missing = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and name not in options
    ]
    free = [name for name in known if name not in options]
    if not free:
        raise TypeError(
            f"{' and '.join(f'`{name}`' for name in known)} of {family.__name__} "
            f"{'is' if len(known) == 1 else 'are all'} given, so nothing is left to reach the edge "
            f"with. Leave {'it' if len(known) == 1 else 'one'} out."
        )
    others = [name for name in missing if name != free[0]]
    if others:
        raise TypeError(
            f"`design` needs {', '.join(f'`{name}`' for name in others)} of {family.__name__} "
            f"to find `{free[0]}`."
        )
    return free[0]


def _reaches(filter: Filter, edge: float) -> bool:
    decay = abs(getattr(filter, "weight_decay", 0.0))  # an edge is what is left beyond it
    return abs(filter.edge - edge) <= _ACCURACY * edge + 4 * sys.float_info.epsilon * decay


def _in_closed_form(made: Callable[[float], F], knob: str, edge: float) -> F | None:
    """Return the filter by formula, or None where docs/theory/passbands has none."""
    if knob == "lr":
        # where lr is the only length, the edge is inversely proportional to it
        value = made(1.0).edge / edge
        return made(value) if value > 0 else None
    plain = made(0.0)
    ratio = plain.edge / edge
    if 1 - _ACCURACY <= ratio < 1:  # the plain edge was asked for, up to rounding
        return plain
    if not 1 <= ratio < math.inf:
        return None
    match plain:
        case USAM(steps=steps):
            value = (ratio ** (1 / steps) - 1) / edge
        case GradientPenalty():
            value = (ratio - 1) / edge
        case UphillLoss():
            value = (math.sqrt(ratio) - 1) / edge
        case SAM(gradient_norm=norm):
            value = (ratio - 1) / edge * norm
        case ASAM(scale=scale):
            value = (ratio - 1) / edge / scale**2
        case HessianUSAM():
            value = (ratio - 1) / edge**2
        case NestedUSAM():
            value = (math.sqrt(4 * ratio - 3) - 1) / (2 * edge)
        case FisherSAM():
            value = ratio - 1
        case ExtrapolatedNesterov(weight_decay=decay):
            value = ((plain.edge + decay) / (edge + decay) - 1) / 2
        case HeldAscent(lr=lr, every=every):
            left = (1 - lr * edge) ** every
            value = (1 + left) / (1 - left) / edge if left < 1 else 0.0
        case DerivativeAction() | Secant() | Parity() | MixedMemory():
            decay = plain.weight_decay  # adds to every curvature
            value = 1 / (edge + decay) - 1 / (plain.edge + decay)
        case Optimistic():
            value = 1 / edge - 1 / plain.edge
        case _:
            return None
    return made(value)


def _unit(knob: str, edge: float, decay: float) -> float:
    """Return the natural size of an option beside an edge; weight decay adds to curvatures."""
    return {"lr": 2 / (edge + decay), "extrapolation": 1.0}.get(knob, 1 / edge)


def _by_root(made: Callable[[float], F], knob: str, edge: float, unit: float) -> F:
    """Return the filter at the first place where the edge falls through the wanted one."""
    first = 0.0 if knob != "lr" else unit * 4.0**-_QUARTERINGS
    values = [first, *(unit * 4.0**j for j in range(-_QUARTERINGS + 1, _QUARTERINGS + 1))]
    reached = [made(value).edge for value in values]
    for low, high, above, below in zip(values, values[1:], reached, reached[1:], strict=False):
        if above >= edge > below:

            def excess(value: float) -> float:
                return math.log(max(made(value).edge, 1e-300) / edge)

            if above == edge:
                return made(low)
            tight = np.float64(1e-14)
            return made(float(brentq(excess, low, high, xtol=1e-300, rtol=tight)))  # pyright: ignore[reportArgumentType]
    others = "Change the other options."
    if knob != "lr":
        others = "Lower `lr` to raise all of them." if edge > max(reached) else "Raise `lr`."
    raise ValueError(
        f"an edge of {edge:g} cannot be reached: with `{knob}` from {values[0]:g} to "
        f"{values[-1]:.3g} the edge lies in [{min(reached):g}, {max(reached):g}]. {others}"
    )
