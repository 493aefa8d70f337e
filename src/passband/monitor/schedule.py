"""When to look: every so many steps or seconds, or as often as a share of the time allows."""

import math
import time
from dataclasses import dataclass, field
from typing import final

_MARGIN = 1.2  # probes are not all of one length


@final
@dataclass(slots=True)
class Schedule:
    """Says when the next probe is due.

    With a budget a probe waits until one as long as the last fits; the first one, until one of
    the ``expected`` length does.

    Args:
        every: Steps between probes; None for no such rule.
        seconds: Seconds between probes; None for no such rule.
        budget: Largest share of the time, since the start, that probes may take; they wait until
            the next one fits. None for no limit.
    """

    every: int | None
    seconds: float | None
    budget: float | None
    spent: float = 0.0
    expected: float = 0.0
    _began: float = field(default_factory=time.perf_counter)
    _last_time: float = -math.inf
    _last_step: int | None = None

    def __post_init__(self) -> None:
        if self.every is not None and not self.every >= 1:
            raise ValueError(f"`every` must be 1 step or more; got {self.every!r}.")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"`seconds` must be positive; got {self.seconds!r}.")
        if self.budget is not None and not 0 < self.budget <= 1:
            raise ValueError(f"`budget` must be a share in (0, 1]; got {self.budget!r}.")

    def due(self, step: int) -> bool:
        """Whether to look after this step."""
        now = time.perf_counter()
        regular = (self.every is not None and step % self.every == 0) or (
            self.seconds is not None and now - self._last_time >= self.seconds
        )
        if self.every is None and self.seconds is None:
            regular = True
        if not regular or step == self._last_step:
            return False
        if self.budget is None:
            return True
        return self.spent + _MARGIN * self.expected <= self.budget * (now - self._began)

    def done(self, step: int, seconds: float) -> None:
        """Take note of a probe."""
        self._last_step, self._last_time = step, time.perf_counter()
        self.spent += seconds
        self.expected = max(0.9 * self.expected, seconds)

    @property
    def share(self) -> float:
        """Share of the time since the start that probes took."""
        return self.spent / max(time.perf_counter() - self._began, 1e-12)


def check_numbers(**rules: object) -> None:
    """Refuse what is no number, where a rule is given."""
    for name, value in rules.items():
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            raise TypeError(f"`{name}` must be a number; got {value!r}.")
