"""Published numbers and orders, compared with what was measured."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, final

from typing_extensions import override

Verdict = Literal["ok", "not met", "not measured"]


@final
@dataclass(frozen=True, slots=True)
class Sample:
    """One quantity over several seeds: mean and standard deviation.

    Attributes:
        values: The measured values; those that are not finite count as failed runs.

    Example:
        >>> print(Sample((1.0, 2.0, 3.0)))
        2.0 ± 1.0
    """

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> "Sample":
        """Collect the values of a sample."""
        return cls(tuple(values))

    @property
    def complete(self) -> bool:
        """Whether there are values and all of them are finite."""
        return bool(self.values) and all(map(math.isfinite, self.values))

    @property
    def mean(self) -> float:
        """Mean; NaN unless every value is finite."""
        return statistics.fmean(self.values) if self.complete else math.nan

    @property
    def deviation(self) -> float:
        """Standard deviation (n − 1 in the denominator); NaN for fewer than two values."""
        if not self.complete or len(self.values) < 2:
            return math.nan
        return statistics.stdev(self.values)

    @override
    def __str__(self) -> str:
        if not self.values:
            return "—"
        if not self.complete:
            finite = [value for value in self.values if math.isfinite(value)]
            return f"diverged in {len(self.values) - len(finite)} of {len(self.values)}"
        if math.isnan(self.deviation):
            return f"{self.mean:.3g}"
        if self.deviation == 0:
            return f"{self.mean:.3g} ± 0"
        decimals = max(1 - math.floor(math.log10(self.deviation)), 0)  # two digits of deviation
        return f"{self.mean:.{decimals}f} ± {self.deviation:.{decimals}f}"


@final
@dataclass(frozen=True, slots=True)
class Claim:
    """A statement, whether it holds, and the numbers that decide it.

    Attributes:
        statement: What is claimed, in one sentence.
        holds: None where the runs do not decide: missing, diverged, or a single seed.
        evidence: The measured numbers.
    """

    statement: str
    holds: bool | None
    evidence: str

    @property
    def verdict(self) -> Verdict:
        """``"ok"``, ``"not met"`` or ``"not measured"``."""
        return "not measured" if self.holds is None else "ok" if self.holds else "not met"

    @classmethod
    def near(
        cls,
        statement: str,
        measured: float,
        *,
        expected: float,
        tolerance: float,
        missing: str = "not measured",
    ) -> "Claim":
        """Claim that a number was met: ``|measured − expected| ≤ tolerance``.

        Args:
            statement: What is claimed.
            measured: NaN where nothing was measured.
            expected: The published or predicted number.
            tolerance: How far the measured number may be from it.
            missing: The evidence where nothing was measured.

        Example:
            >>> Claim.near("the edge is met", 20.02, expected=20, tolerance=0.04).verdict
            'ok'
        """
        if not math.isfinite(measured):
            return cls(statement, None, missing)
        evidence = f"{measured:.4g}, expected {expected:.4g} ± {tolerance:.2g}"
        return cls(statement, bool(abs(measured - expected) <= tolerance), evidence)

    @classmethod
    def above(cls, statement: str, larger: Sample, smaller: Sample) -> "Claim":
        """Claim an order with error bars: ``mean − deviation`` above ``mean + deviation``.

        Example:
            >>> Claim.above("a > b", Sample((4.9, 5.1)), Sample((1.0, 1.2))).verdict
            'ok'
        """
        evidence = f"{larger} against {smaller}"
        spread = larger.deviation + smaller.deviation
        if math.isnan(spread):
            one = larger.complete and smaller.complete
            return cls(statement, None, evidence + ("; one seed has no error bar" if one else ""))
        return cls(statement, larger.mean - smaller.mean > spread, evidence)

    @override
    def __str__(self) -> str:
        return f"{self.verdict}: {self.statement} ({self.evidence})"
