"""The admissible set of a filter: closed intervals of curvature, of both signs."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Bool


@final
@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval of curvature, with the way stability is lost at each end.

    An exit is the multiplier that reaches the unit circle there: ``1`` (the mode drifts),
    ``-1`` (it alternates), ``exp(±iφ)`` (it rotates by φ a step), or None where the interval
    does not end by a multiplier leaving the circle, as at infinity.

    Attributes:
        lower: Left end, possibly ``-inf``.
        upper: Right end, possibly ``inf``; equal to ``lower`` for an isolated point.
        lower_exit: Multiplier on the unit circle at the left end, with ``Im ≥ 0``.
        upper_exit: The same at the right end.
    """

    lower: float
    upper: float
    lower_exit: complex | None = None
    upper_exit: complex | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "lower", float(self.lower) + 0.0)  # there is one zero
        object.__setattr__(self, "upper", float(self.upper) + 0.0)

    @property
    def is_point(self) -> bool:
        """Whether the interval is a single curvature."""
        return self.lower == self.upper

    def __contains__(self, lam: float) -> bool:
        return bool(self.lower <= lam <= self.upper)

    def __iter__(self) -> Iterator[float]:
        """Unpack: ``lower, upper = interval``."""
        return iter((self.lower, self.upper))

    @override
    def __str__(self) -> str:
        if self.is_point:
            return f"{{{self.lower:.6g}}}"
        left = "(" if math.isinf(self.lower) else "["
        right = ")" if math.isinf(self.upper) else "]"
        return f"{left}{self.lower:.6g}, {self.upper:.6g}{right}"


@final
@dataclass(frozen=True, slots=True)
class Passband:
    """All curvatures that a filter admits: disjoint closed intervals in ascending order.

    Admissible means spectral radius of the transition at most one. A limit point of the
    optimizer has, generically, all its Hessian eigenvalues here; nothing says that such a
    point will be found.

    Attributes:
        intervals: Disjoint, ascending; isolated points are intervals of zero length.

    Example:
        >>> from passband.filters import SGD
        >>> passband = SGD(lr=0.1).passband()
        >>> print(passband, 3.0 in passband, 30.0 in passband)
        [0, 20] True False
    """

    intervals: tuple[Interval, ...]

    @classmethod
    def union(cls, intervals: Iterable[Interval]) -> "Passband":
        """Return the union, touching intervals joined."""
        joined: list[Interval] = []
        for new in sorted(intervals, key=lambda interval: (interval.lower, interval.upper)):
            if not joined or new.lower > joined[-1].upper:
                joined.append(new)
            elif new.upper > joined[-1].upper:
                old = joined.pop()
                joined.append(
                    Interval(
                        old.lower,
                        new.upper,
                        lower_exit=old.lower_exit,
                        upper_exit=new.upper_exit,
                    )
                )
        return cls(tuple(joined))

    @property
    def edge(self) -> float:
        """Upper end of the interval that holds 0+; 0 if none does, ``inf`` if it has no end."""
        return next((i.upper for i in self.intervals if i.lower <= 0 < i.upper), 0.0)

    @property
    def islands(self) -> tuple[Interval, ...]:
        """Admissible intervals above the edge."""
        return tuple(i for i in self.intervals if i.lower > self.edge)

    @property
    def leaks(self) -> tuple[Interval, ...]:
        """Admissible intervals of negative curvature: saddles there attract the optimizer."""
        return tuple(
            Interval(
                i.lower,
                min(i.upper, 0.0),
                lower_exit=i.lower_exit,
                upper_exit=i.upper_exit if i.upper < 0 else None,
            )
            for i in self.intervals
            if i.lower < 0
        )

    def contains(self, lam: Any) -> Bool[ndarray, "..."]:
        """Return elementwise whether each curvature is admissible, same shape as ``lam``."""
        lam = np.asarray(lam, dtype=np.float64)
        inside = np.zeros(lam.shape, dtype=np.bool_)
        for lower, upper in self.intervals:
            inside |= (lower <= lam) & (lam <= upper)
        return inside

    def __contains__(self, lam: float) -> bool:
        inside = self.contains(lam)
        if inside.ndim:
            raise ValueError(
                f"`in` asks about one curvature; got {inside.size}. `contains` takes many."
            )
        return bool(inside)

    def __iter__(self) -> Iterator[Interval]:
        return iter(self.intervals)

    def __len__(self) -> int:
        return len(self.intervals)

    @override
    def __str__(self) -> str:
        return " ∪ ".join(map(str, self.intervals)) or "∅"
