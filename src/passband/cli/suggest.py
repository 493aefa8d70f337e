"""What was probably meant."""

import difflib
from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str:
    """Return ``", did you mean 'edge'?"``, or a full stop where no known name is near."""
    near = difflib.get_close_matches(name.lower(), list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else "."
