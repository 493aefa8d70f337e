"""What an option must be: one place for the wording, so every filter refuses alike."""

import math
from typing import Any


def check_positive(**options: float) -> None:
    """Raise unless every option is a finite number above zero."""
    for name, value in options.items():
        if not (_is_number(value) and 0 < value < math.inf):
            raise ValueError(f"`{name}` must be positive and finite; got {value!r}.")


def check_nonnegative(**options: float) -> None:
    """Raise unless every option is a finite number, zero or above."""
    for name, value in options.items():
        if not (_is_number(value) and 0 <= value < math.inf):
            raise ValueError(f"`{name}` must be zero or positive, and finite; got {value!r}.")


def check_finite(**options: float) -> None:
    """Raise unless every option is a finite number."""
    for name, value in options.items():
        if not (_is_number(value) and math.isfinite(value)):
            raise ValueError(f"`{name}` must be a finite number; got {value!r}.")


def check_count(**options: int) -> None:
    """Raise unless every option is a whole number, one or above."""
    for name, value in options.items():
        if isinstance(value, bool) or not (
            _is_number(value) and value >= 1 and value == int(value)
        ):
            raise ValueError(f"`{name}` must be a whole number, 1 or more; got {value!r}.")


def check_momentum(momentum: float, *, nesterov: bool) -> None:
    """Raise unless momentum is finite, and there where Nesterov needs it."""
    check_finite(momentum=momentum)
    if nesterov and not momentum:
        raise ValueError("`nesterov` needs `momentum`, as in torch; got momentum=0.")


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
