"""What radii, norms and margins of blocks must be: one place for the wording."""

import math
from typing import Any

_SLACK = 1e-12  # 1 - 0.95 is not 0.05, but 20 is meant to be the limit


def check_nonnegative(**values: Any) -> None:
    """Raise unless every value is a finite number, zero or above."""
    for name, value in values.items():
        if not (_is_real(value) and 0 <= value < math.inf):
            raise ValueError(f"`{name}` must be zero or positive, and finite; got {value!r}.")


def check_positive(**values: Any) -> None:
    """Raise unless every value is a finite number above zero."""
    for name, value in values.items():
        if not (_is_real(value) and 0 < value < math.inf):
            raise ValueError(f"`{name}` must be positive and finite; got {value!r}.")


def check_margins(**values: Any) -> None:
    """Raise unless every value is at most one: one minus a radius, which is not negative."""
    for name, value in values.items():
        if not (_is_real(value) and -math.inf < value <= 1):
            raise ValueError(
                f"`{name}` is one minus a spectral radius, so at most 1 and finite; got {value!r}."
            )


def check_ratio(tau: Any, *, beta: float, name: str = "tau") -> None:
    """Raise unless a factor of the driven block's step size leaves its radius at zero or above."""
    check_positive(**{name: tau})
    if tau * beta > 1 + _SLACK:
        raise ValueError(
            f"`{name}` must be at most 1/(1 - b), {1 / beta:g} here, where the radius of the "
            f"driven block is zero; got {tau!r}."
        )


def _is_real(value: Any) -> bool:
    try:
        return not isinstance(value, str | bytes) and bool(float(value) == value)
    except (TypeError, ValueError):
        return False
