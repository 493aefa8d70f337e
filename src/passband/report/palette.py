"""One color for one thing, in every figure and table, on light and on dark paper."""

from collections.abc import Iterable
from typing import final

KNOWN = {
    "SGD": ("#2f6db5", "#7db2f0"),
    "gradient descent": ("#2f6db5", "#7db2f0"),
    "heavy ball": ("#7b4bb3", "#bd97ee"),
    "Nesterov": ("#11808a", "#56c8d0"),
    "USAM": ("#bf6f00", "#f2ab49"),
    "Two-step USAM": ("#2b8a46", "#6cca86"),
    "Hessian USAM": ("#c0356a", "#f386ad"),
}
"""Colors on light and on dark, by what they stand for."""

OTHERS = (
    ("#5c6470", "#a9b2bf"),
    ("#8a6a2f", "#cfae6d"),
    ("#4d5fc4", "#98a6f5"),
    ("#a1462f", "#e58b73"),
    ("#4f7a12", "#a3cc5f"),
    ("#8a3d92", "#d58ddd"),
)


@final
class Palette:
    """Colors by name, as CSS variables; a new name takes the next free color.

    Example:
        >>> palette = Palette()
        >>> palette.variable("USAM") == palette.variable("USAM")
        True
    """

    def __init__(self) -> None:
        self._known = {"ink": 0}
        self._colors = [("#6b7280", "#9aa3b2")]

    def variable(self, name: str) -> str:
        """Return the CSS variable of a name."""
        if name not in self._known:
            self._known[name] = len(self._colors)
            free = (len(self._known) - 2) % len(OTHERS)
            self._colors.append(KNOWN.get(name, OTHERS[free]))
        return f"--of-{self._known[name]}"

    def css(self, *, dark: bool) -> Iterable[tuple[str, str]]:
        """Iterate over variables and their values."""
        for i, pair in enumerate(self._colors):
            yield f"--of-{i}", pair[dark]
