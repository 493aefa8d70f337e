"""One wording for options that must be numbers."""

from typing import Any


def check_numbers(**options: Any) -> None:
    """Raise `TypeError` for an option that is given and is no number, such as one in quotes."""
    for name, value in options.items():
        if value is not None and (isinstance(value, str) or not hasattr(value, "__float__")):
            raise TypeError(f"`{name}` must be a number; got {value!r}.")
