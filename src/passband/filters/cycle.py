"""One period of an optimizer, as stages that act one after the other on a common state."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np
from numpy import ndarray

from passband._shapes import Float, Num
from passband.filters.crossings import admissible_set, polynomial_conditions
from passband.filters.loop import Loop
from passband.filters.oracles import Identity
from passband.filters.passband import Passband
from passband.filters.response import Response
from passband.filters.series import Series

Triple = tuple[ndarray, ndarray, ndarray]
T = TypeVar("T")

IDENTITY = Identity()


@final
@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One linear map of a period: a loop that is shown ``h(λ)``.

    Attributes:
        loop: The map; one with ``b = 0`` takes no gradient, as when weights are averaged.
        response: The oracle of its gradient.
        fresh: Whether it draws a new batch; otherwise it shares that of the stage before.
    """

    loop: Loop
    response: Response = IDENTITY
    fresh: bool = True

    @property
    def takes_gradient(self) -> bool:
        """Whether the stage depends on the curvature."""
        return bool(self.loop.b.any())

    @property
    def degree(self) -> int:
        """Degree of the stage in λ."""
        return self.response.degree if self.takes_gradient else 0

    @property
    def gradients(self) -> float:
        """Gradient evaluations."""
        return self.response.gradients if self.takes_gradient else 0

    def change(self, lam: Num[ndarray, "*batch"]) -> Num[ndarray, "*batch s s"]:
        """Return ``M(λ) − I``."""
        return self.loop.change(np.asarray(self.response(lam)))

    def series(self, center: float) -> Triple:
        """Return the coefficients of ``M(λ) − I`` in powers of ``λ − center``."""
        h: Series = self.response(Series(center, 1.0, 0.0))
        gain = np.outer(self.loop.b, self.loop.c)
        return self.loop.D + h.a * gain, h.b * gain, h.c * gain


@final
@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """Stages on one state, each slot of which is found by its name.

    Attributes:
        stages: All with the same slots, in the order in which they act.
    """

    stages: tuple[Stage, ...]

    @classmethod
    def of(cls, stages: Iterable[Stage], *, scaled: bool = False) -> "Cycle":
        """Put stages on their common state; a stage leaves alone the slots it does not know.

        Args:
            stages: At least one.
            scaled: Count every slot in displacements, see `Loop.units`.
        """
        stages = tuple(stages)
        units: dict[str, float] = {}
        for stage in stages:
            for slot, unit in zip(stage.loop.slots, stage.loop.units, strict=True):
                units.setdefault(slot, float(unit))
        embedded: dict[int, Stage] = {}  # a stage that is repeated stays one object
        for stage in stages:
            if id(stage) not in embedded:
                loop = stage.loop.embedded(units, scaled=scaled)
                embedded[id(stage)] = Stage(loop, stage.response, stage.fresh)
        return cls(tuple(embedded[id(stage)] for stage in stages))

    @property
    def slots(self) -> tuple[str, ...]:
        """What each entry of the state holds."""
        return self.stages[0].loop.slots

    @property
    def units(self) -> Float[ndarray, " s"]:
        """A displacement worth one unit of each slot."""
        return self.stages[0].loop.units

    @property
    def weights(self) -> Float[ndarray, " s"]:
        """The weights that count at the end of a period: those of the last stage."""
        return self.stages[-1].loop.x

    @property
    def degree(self) -> int:
        """Bound on the degree in λ of every minor of M(λ): stages are affine of rank one in h."""
        return sum(stage.degree for stage in self.stages)

    @property
    def is_polynomial(self) -> bool:
        """Whether M(λ) is polynomial."""
        return all(stage.degree > 0 for stage in self.stages if stage.takes_gradient)

    @property
    def batches(self) -> list[tuple[tuple[Stage, ...], int]]:
        """The stages in groups that share a batch, each with its repetitions in a row."""
        groups: list[tuple[Stage, ...]] = []
        for stage in self.stages:
            if groups and not (stage.fresh and stage.takes_gradient):
                groups[-1] += (stage,)
            else:
                groups.append((stage,))
        return _runs(groups)

    def change(self, lam: Num[ndarray, "*batch"]) -> Num[ndarray, "*batch s s"]:
        """Return ``M(λ) − I`` of the whole period, without cancellation near zero curvature."""
        runs = _runs([(stage,) for stage in self.stages])
        return composed([(stage.change(lam), n) for (stage,), n in runs], then=after)

    def series(self, center: float) -> Triple:
        """Return the coefficients of ``M(λ) − I`` in powers of ``λ − center``, to the second."""
        runs = _runs([(stage,) for stage in self.stages])
        steps = [(stage.series(center), n) for (stage,), n in runs]
        return composed(steps, then=_after_in_series)

    @property
    def scale(self) -> float:
        """A typical curvature: where a stage changes the state by as much as it is."""
        sizes = [
            float(np.linalg.norm(self.units * s.loop.b) * np.linalg.norm(s.loop.c / self.units))
            for s in self.stages
            if s.takes_gradient
        ]
        return 1 / math.sqrt(min(sizes) * max(sizes)) if sizes else 1.0

    def admissible(self) -> Passband:
        """Return ``{λ : radius ≤ 1}``. Slots that a period never reads do not matter."""
        scale, degree = self.scale, self.degree
        samples = self.change(scale * np.array([-0.7, 0.3, 1.1])) + np.eye(len(self.slots))
        read = np.flatnonzero(np.abs(samples).max(axis=(0, 1)) > 0)

        def change(lam: ndarray) -> ndarray:
            return self.change(lam)[:, read[:, None], read]

        conditions = polynomial_conditions(change, size=len(read), degree=degree, scale=scale)
        return admissible_set(change, conditions)


def after(later: ndarray, earlier: ndarray) -> ndarray:
    """Return ``(I + later)(I + earlier) − I``."""
    return later + earlier + later @ earlier


def composed(steps: Sequence[tuple[T, int]], *, then: Callable[[T, T], T]) -> T:
    """Return the steps one after the other, each as often as its number says, by squaring.

    Args:
        steps: At least one step.
        then: ``then(later, earlier)``, associative.
    """
    (total, first), *others = steps
    for step, count in [(total, first - 1), *others]:
        power, rest = step, count
        while rest:
            if rest % 2:
                total = then(power, total)
            rest //= 2
            power = then(power, power) if rest else power
    return total


def _after_in_series(later: Triple, earlier: Triple) -> Triple:
    (a, b, c), (p, q, r) = later, earlier
    return after(a, p), b + q + a @ q + b @ p, c + r + a @ r + b @ q + c @ p


def _runs(groups: Sequence[tuple[Stage, ...]]) -> list[tuple[tuple[Stage, ...], int]]:
    """Return groups and how often each is repeated in a row."""
    runs: list[tuple[tuple[Stage, ...], int]] = []
    for group in groups:
        if runs and [*map(id, runs[-1][0])] == [*map(id, group)]:
            runs[-1] = (group, runs[-1][1] + 1)
        else:
            runs.append((group, 1))
    return runs
