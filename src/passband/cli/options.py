"""Options of classes that nobody declared: ``--name value``, read as Python literals."""

import ast
from collections.abc import Sequence
from typing import Any


def read_options(words: Sequence[str]) -> dict[str, Any]:
    """Return ``{"lr": 0.1, "nesterov": True}`` for ``--lr 0.1 --nesterov``.

    Values are numbers, booleans, tuples such as ``(0.9,0.99)``, or else words. An option without
    a value is True, and ``--no-name`` is False.

    Raises:
        ValueError: A word that belongs to no option.
    """
    options: dict[str, Any] = {}
    name: str | None = None
    for word in words:
        if word.startswith("--") and len(word) > 2:
            name, _, value = word[2:].partition("=")
            name = name.replace("-", "_")
            off = name.startswith("no_") and not value
            name = name.removeprefix("no_") if off else name
            options[name] = _literal(value) if value else not off
        elif name is None or options[name] is not True:
            raise ValueError(f"{word!r} belongs to no option; write `--name value`.")
        else:
            options[name] = _literal(word)
    return options


def _literal(word: str) -> Any:
    try:
        return ast.literal_eval(word)
    except (ValueError, SyntaxError):
        return word
