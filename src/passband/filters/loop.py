"""One mode of an optimizer as a feedback loop around the curvature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
import scipy.linalg
from numpy import ndarray

from passband._shapes import Float, Num
from passband.filters.crossings import (
    Condition,
    admissible_set,
    alternates,
    drifts,
    others_drift,
    rotates,
)
from passband.filters.nyquist import crossing_at, crossings_by_pairs
from passband.filters.passband import Passband
from passband.filters.roots import real_roots

_FIXED = 1e-12  # relative: a singular value that is none
_SAME = 1e-3  # relative: coefficients of one characteristic polynomial, in whatever basis
_LARGEST_COMPOUND = 6  # states; beyond, the sign of the pairs is left to the eigenvalues


def _unset() -> ndarray:
    return np.empty(0)


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
        slots: What each entry of the state holds; ``theta`` is the parameter of the optimizer, and
            other positions have it in their names.
        units: A displacement worth one unit of each slot, shape ``(s,)``: 1 for positions, ``lr``
            for stored gradients. Norms are taken in these units. By default all are 1.
    """

    D: Float[ndarray, "s s"]
    b: Float[ndarray, " s"]
    c: Float[ndarray, " s"]
    x: Float[ndarray, " s"]
    slots: tuple[str, ...]
    units: Float[ndarray, " u"] = field(default_factory=_unset)

    def __post_init__(self) -> None:
        if not len(self.units):
            object.__setattr__(self, "units", np.ones(len(self.b)))

    @classmethod
    def from_changes(
        cls,
        changes: Mapping[str, ndarray],
        *,
        point: ndarray,
        weights: ndarray | None = None,
        units: Mapping[str, float] | None = None,
    ) -> "Loop":
        """Read the loop off an update written on linear forms.

        A form lists the coefficients of the old slots and, last, of the gradient.

        Args:
            changes: New minus old state, one form for each slot, by name.
            point: Where the gradient is taken.
            weights: The weights that count; ``point`` by default.
            units: A displacement worth one unit of a slot, by name; 1 by default.
        """
        rows = np.stack(list(changes.values()))
        return cls(
            D=rows[:, :-1],
            b=rows[:, -1],
            c=point[:-1],
            x=(point if weights is None else weights)[:-1],
            slots=tuple(changes),
            units=np.array([(units or {}).get(slot, 1.0) for slot in changes]),
        )

    def embedded(self, units: Mapping[str, float], *, scaled: bool) -> "Loop":
        """Return the same loop on a larger state, of which it leaves the rest alone.

        Args:
            units: The slots of the larger state, with their units.
            scaled: Count every slot in displacements.
        """
        slots = tuple(units)
        scale = np.array([units[slot] if scaled else 1.0 for slot in slots])
        at = np.array([slots.index(slot) for slot in self.slots])
        size = len(slots)
        D, b, c, x = np.zeros((size, size)), np.zeros(size), np.zeros(size), np.zeros(size)
        D[np.ix_(at, at)] = self.D
        b[at], c[at], x[at] = self.b, self.c, self.x
        return Loop(
            D=scale[:, None] * D / scale,
            b=scale * b,
            c=c / scale,
            x=x / scale,
            slots=slots,
            units=np.ones(size) if scaled else np.array(list(units.values())),
        )

    def change(self, mu: Num[ndarray, "*batch"]) -> Num[ndarray, "*batch s s"]:
        """Return ``M(μ) − I``."""
        return self.D + mu[..., None, None] * np.outer(self.b, self.c)

    def transition(self, mu: Num[ndarray, "*batch"]) -> Num[ndarray, "*batch s s"]:
        """Return ``M(μ)``."""
        return (np.eye(len(self.b)) + self.D) + mu[..., None, None] * np.outer(self.b, self.c)

    def admissible(self) -> Passband:
        """Return ``{μ : radius ≤ 1}``, complete and at any scale."""
        if (others := self._beside_a_fixed_one()) is not None:
            return others.admissible()
        drift, at_one = drifts(self.change), crossing_at(self.D, self.b, self.c, z=1.0)
        if at_one is None and len(self.b) > 1:  # a multiplier stays at 1 and hides the others
            drift = others_drift(self.change)
            at_one = real_roots(drift, degree=1, scale=1.0)
        conditions = [
            Condition("+1", drift, at_one),
            Condition("-1", alternates(self.change), crossing_at(self.D, self.b, self.c, z=-1.0)),
        ]
        if len(self.b) > 1:
            pairs = crossings_by_pairs(self.D, self.b, self.c)
            known = len(self.b) <= _LARGEST_COMPOUND
            value = rotates(self.change) if known else np.ones_like
            conditions.append(Condition("pair", value, pairs))
        return admissible_set(self.change, conditions)

    def _beside_a_fixed_one(self) -> "Loop | None":
        """Return the loop of all other multipliers, if a constant vector keeps one at 1.

        Such a slot is never moved (``wᵀD = 0, wᵀb = 0``) or never felt (``Dv = 0, c·v = 0``). In a
        basis that mixes it with others it would hide where these reach the circle.
        """
        if len(self.b) < 2:
            return None
        sizes = np.abs(self.D) + np.outer(np.abs(self.b), np.abs(self.c))
        _, (scale, _) = scipy.linalg.matrix_balance(sizes, permute=False, separate=True)
        D, b, c = self.D * scale / scale[:, None], self.b / scale, self.c * scale
        unit = [part / (np.abs(part).max() or 1.0) for part in (D, b, c)]
        for rows in (np.column_stack(unit[:2]).T, np.vstack([unit[0], unit[2]])):
            _, values, vectors = np.linalg.svd(rows)
            Q = vectors[:-1].T
            if values[-1] <= _FIXED * values[0]:
                found = Loop(D=Q.T @ D @ Q, b=Q.T @ b, c=c @ Q, x=c @ Q, slots=self.slots[1:])
                return found if found._is_all_but_one_of(self) else None
        return None

    def _is_all_but_one_of(self, other: "Loop") -> bool:
        """Whether the multipliers are those of another loop without one that is 1."""
        mu = np.array([-0.7, 0.3, 1.1]) / (np.linalg.norm(self.b) * np.linalg.norm(self.c) or 1.0)
        for mine, theirs in zip(self.transition(mu), other.transition(mu), strict=True):
            expected = np.poly(theirs)
            error = np.abs(np.polymul(np.poly(mine), [1.0, -1.0]) - expected).max()
            if not error <= _SAME * np.abs(expected).max():
                return False
        return True


def is_position(slot: str) -> bool:
    """Whether a slot holds weights, rather than a gradient or a displacement."""
    return "theta" in slot


def free_slot(name: str, taken: Sequence[str]) -> str:
    """Return a name for one more slot: this one, with as many dashes as tell it apart."""
    while name in taken:
        name += "'"
    return name
