"""Where a rising curve stops, by a rule that does not know where it should."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final


@final
@dataclass
class Ascent:
    """Watches a sharpness until it has stopped rising.

    It has stopped when for ``patience`` steps it has not risen by more than ``tolerance``
    above its earlier maximum. A slow rise never stops; it ends at the limit of steps.

    Args:
        patience: Steps without a new maximum.
        tolerance: By what fraction a new maximum must exceed the old one.
    """

    patience: int
    tolerance: float = 0.01
    peak: float = -math.inf
    since: int = 0

    def stopped(self, step: int, value: float) -> bool:
        """Take in the next value; return whether the rise has ended."""
        if value > self.peak + self.tolerance * abs(self.peak) or math.isinf(self.peak):
            self.peak, self.since = value, step
        return step - self.since >= self.patience


@final
@dataclass(frozen=True, slots=True)
class Plateau:
    """Median and spread of the last part of a curve.

    Attributes:
        median: Of the values in the window.
        low: Their 10th percentile.
        high: Their 90th percentile.
        first: First step of the window.
        probes: Values in the window.
    """

    median: float
    low: float
    high: float
    first: float
    probes: int

    @classmethod
    def of(cls, steps: Sequence[float], values: Sequence[float], *, window: int) -> "Plateau":
        """Summarize the last ``window`` steps.

        Example:
            >>> Plateau.of(range(0, 50, 10), [9.0, 1.0, 2.0, 3.0, 2.0], window=30).median
            2.0
        """
        first = steps[-1] - window
        last = [value for step, value in zip(steps, values, strict=True) if step >= first]
        cuts = statistics.quantiles(last, n=10, method="inclusive") if len(last) > 1 else last
        return cls(statistics.median(last), cuts[0], cuts[-1], max(first, 0), len(last))
