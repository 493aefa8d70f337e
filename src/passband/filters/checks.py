"""What an option must be: one place for the wording, so every filter refuses alike."""

import math
from numbers import Integral
from typing import Any, Literal

import numpy as np

DecayPlacement = Literal["coupled", "loss", "decoupled"]
PLACEMENTS: tuple[DecayPlacement, ...] = ("coupled", "loss", "decoupled")


def _check_no_text(name: str, value: Any) -> None:
    if isinstance(value, str):
        raise ValueError(f"`{name}` must be a number; got {value!r}.")


def check_positive(**options: float) -> None:
    """Raise unless every option is a finite number above zero."""
    for name, value in options.items():
        _check_no_text(name, value)
        if not (_is_number(value) and 0 < value < math.inf):
            raise ValueError(f"`{name}` must be positive and finite; got {value!r}.")


def check_nonnegative(**options: float) -> None:
    """Raise unless every option is a finite number, zero or above."""
    for name, value in options.items():
        _check_no_text(name, value)
        if not (_is_number(value) and 0 <= value < math.inf):
            raise ValueError(f"`{name}` must be zero or positive, and finite; got {value!r}.")


def check_finite(**options: float) -> None:
    """Raise unless every option is a finite number."""
    for name, value in options.items():
        _check_no_text(name, value)
        if not (_is_number(value) and math.isfinite(value)):
            raise ValueError(f"`{name}` must be a finite number; got {value!r}.")


def check_count(**options: int) -> None:
    """Raise unless every option is a whole number, one or above."""
    for name, value in options.items():
        if not (_is_whole(value) and value >= 1):
            raise ValueError(f"`{name}` must be a whole number, 1 or more; got {_shown(value)}.")


def check_momentum(momentum: float, *, nesterov: bool) -> None:
    """Raise unless momentum is finite, and there where Nesterov needs it."""
    check_finite(momentum=momentum)
    if nesterov and not momentum:
        raise ValueError("`nesterov` needs `momentum`, as in torch; got momentum=0.")


def check_betas(betas: tuple[float, float]) -> None:
    """Raise unless both forgetting factors lie in [0, 1), as in torch."""
    if np.shape(betas) != (2,) or not all(_is_number(beta) and 0 <= beta < 1 for beta in betas):
        raise ValueError(f"`betas` must be two numbers in [0, 1); got {betas!r}.")


def check_below_one(**options: float) -> None:
    """Raise unless every option lies in [0, 1)."""
    for name, value in options.items():
        if not (_is_number(value) and 0 <= value < 1):
            raise ValueError(f"`{name}` must lie in [0, 1); got {value!r}.")


def check_share(**options: float) -> None:
    """Raise unless every option lies in (0, 1]."""
    for name, value in options.items():
        if not (_is_number(value) and 0 < value <= 1):
            raise ValueError(f"`{name}` must lie in (0, 1]; got {value!r}.")


def check_whole(**options: int) -> None:
    """Raise unless every option is a whole number, zero or above."""
    for name, value in options.items():
        if not (_is_whole(value) and value >= 0):
            raise ValueError(f"`{name}` must be a whole number, 0 or more; got {_shown(value)}.")


def check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise unless ``value`` is one of the known words."""
    if value not in known:
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, known))}; got {value!r}.")


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and not isinstance(value, bool) and isinstance(value, Integral)


def _shown(value: Any) -> str:
    return f"{value!r}" + (", a float: write an int" if isinstance(value, float) else "")
