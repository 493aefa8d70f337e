"""One mode of an optimizer as a feedback loop around the curvature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy import ndarray

from passband._shapes import Float, Num
from passband.filters.crossings import Condition, admissible_set, alternates, drifts, rotates
from passband.filters.nyquist import crossing_at, crossings_by_pairs
from passband.filters.passband import Passband


@final
@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """One mode of an optimizer as a feedback loop around the curvature.

    A step changes the state by ``D s + b g``, and the gradient is taken at ``y = c·s``. On a
    mode of curvature μ it is ``g = μ y``, so ``M(μ) = I + D + μ b cᵀ``. Changes are kept, not
    new states, because ``M − I`` is what edges depend on.

    Attributes:
        D: Change of the state in a step without gradient, shape ``(s, s)``.
        b: How the gradient enters, shape ``(s,)``.
        c: Where the gradient is taken, shape ``(s,)``.
        x: The weights that count, shape ``(s,)``: what is evaluated and saved.
        slots: What each entry of the state holds; ``theta`` is the parameter of the optimizer.
        units: A displacement worth one unit of each slot, shape ``(s,)``; 1 for positions, ``lr``
            for stored gradients. Norms are taken in these units.
    """

    D: Float[ndarray, "s s"]
    b: Float[ndarray, " s"]
    c: Float[ndarray, " s"]
    x: Float[ndarray, " s"]
    slots: tuple[str, ...] = ()
    units: Float[ndarray, " s"] | None = None

    def __post_init__(self) -> None:
        size = len(self.b)
        if not self.slots:
            named = ("theta", *(f"memory{i}" for i in range(1, size)))
            object.__setattr__(self, "slots", named)
        if self.units is None:
            object.__setattr__(self, "units", np.ones(size))

    @classmethod
    def from_changes(
        cls,
        changes: Sequence[ndarray] | Mapping[str, ndarray],
        *,
        point: ndarray,
        weights: ndarray | None = None,
        units: Mapping[str, float] | None = None,
    ) -> "Loop":
        """Read the loop off an update written on linear forms.

        A form lists the coefficients of the old slots and, last, of the gradient.

        Args:
            changes: New minus old state, one form for each slot; by name, if slots have names.
            point: Where the gradient is taken.
            weights: The weights that count; ``point`` by default.
            units: A displacement worth one unit of a slot, by name; 1 by default.
        """
        slots, forms = (), changes
        if isinstance(changes, Mapping):
            slots, forms = tuple(changes), tuple(changes.values())
        rows = np.stack(list(forms))
        return cls(
            D=rows[:, :-1],
            b=rows[:, -1],
            c=point[:-1],
            x=(point if weights is None else weights)[:-1],
            slots=slots,
            units=np.array([(units or {}).get(slot, 1.0) for slot in slots]) if slots else None,
        )

    def change(self, mu: Num[ndarray, "*batch"]) -> Num[ndarray, "*batch s s"]:
        """Return ``M(μ) − I``."""
        return self.D + mu[..., None, None] * np.outer(self.b, self.c)

    def transition(self, mu: Num[ndarray, "*batch"]) -> Num[ndarray, "*batch s s"]:
        """Return ``M(μ)``."""
        return (np.eye(len(self.b)) + self.D) + mu[..., None, None] * np.outer(self.b, self.c)

    def admissible(self) -> Passband:
        """Return ``{μ : radius ≤ 1}``, complete and at any scale."""
        conditions = [
            Condition("+1", drifts(self.change), crossing_at(self.D, self.b, self.c, z=1.0)),
            Condition("-1", alternates(self.change), crossing_at(self.D, self.b, self.c, z=-1.0)),
        ]
        if len(self.b) > 1:
            pairs = crossings_by_pairs(self.D, self.b, self.c)
            conditions.append(Condition("pair", rotates(self.change), pairs))
        return admissible_set(self.change, conditions)
