"""A filter that was read off a running optimizer, as a linear recursion of its iterates."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Float, Num
from passband.filters.base import Curvature, Filter
from passband.filters.crossings import admissible_set, polynomial_conditions
from passband.filters.passband import Interval, Passband
from passband.filters.sheet import text

_ZERO = 1e-8  # of the scale: a measured boundary this close to zero is zero


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Measured(Filter):
    """The filter of an optimizer known by what it did.

    Its iterates on a quadratic of curvature λ obey ``x[t+s] = Σⱼ aⱼ(λ) x[t+j]``, j < s, with
    ``aⱼ`` polynomial in λ. The mode is ``(x[t], …, x[t+s−1])``, the transition its companion
    matrix. Slots of the optimizer that the weights never feel are not in it.

    Attributes:
        name: The optimizer's class.
        coefficients: ``aⱼ(λ) = Σᵢ coefficients[j, i] (λ / scale)ⁱ``, shape ``(s, degree + 1)``.
        scale: Curvature unit of the coefficients.
        error: Largest relative error of predicted iterates at curvatures and starts that the
            fit did not see.
        gradients: Gradient evaluations a step, counted; Hessian products are not seen.
        curvature: What λ is an eigenvalue of: preconditioned where second moments were held.
        period: Steps one transition stands for; above 1 for optimizers that act in cycles.
        notes: What was frozen to make the optimizer linear.
    """

    name: str
    coefficients: Float[ndarray, "s terms"]
    scale: float
    error: float
    gradients: float
    curvature: Curvature = "plain"  # pyright: ignore[reportIncompatibleMethodOverride] - stored here
    period: int = 1  # pyright: ignore[reportIncompatibleMethodOverride] - stored here
    notes: tuple[str, ...] = ()

    @property
    @override
    def gradients_per_step(self) -> float:
        return self.gradients

    @override
    def _transition(self, lam: Num[ndarray, "*batch"]) -> Num[ndarray, "*batch s s"]:
        order, terms = self.coefficients.shape
        powers = (lam / self.scale)[..., None] ** np.arange(terms)
        companion = np.zeros((*lam.shape, order, order), dtype=powers.dtype)
        companion[..., np.arange(order - 1), np.arange(1, order)] = 1
        companion[..., -1, :] = powers @ self.coefficients.T
        return companion

    @override
    def _passband(self) -> Passband:
        order, terms = self.coefficients.shape
        conditions = polynomial_conditions(
            self._change,
            size=order,
            degree=terms - 1,  # one row depends on λ, so minors are of this degree
            scale=self.scale,
        )
        found = admissible_set(self._change, conditions)
        return Passband.union(self._rounded(interval) for interval in found)

    def _change(self, lam: Float[ndarray, " k"]) -> Float[ndarray, "k s s"]:
        """Return ``M − I`` on the state ``(x[t], x[t+1] − x[t], …)``, where it is sharp at 1."""
        order, terms = self.coefficients.shape
        after = np.cumsum(self.coefficients[::-1], axis=0)[::-1]  # Σ over j ≥ i of aⱼ
        after = after - np.eye(1, terms)
        if abs(after[0, 0]) < _ZERO:
            after[0, 0] = 0.0
        change = np.zeros((len(lam), order, order))
        change[:, np.arange(order - 1), np.arange(1, order)] = 1
        change[:, np.arange(1, order), np.arange(1, order)] = -1
        change[:, -1, :] = (lam / self.scale)[:, None] ** np.arange(terms) @ after.T
        change[:, -1, -1] -= 1.0 if order > 1 else 0.0
        return change

    def _rounded(self, interval: Interval) -> Interval:
        lower, upper = (0.0 if abs(end) < _ZERO * self.scale else float(end) for end in interval)
        return Interval(
            lower, upper, lower_exit=interval.lower_exit, upper_exit=interval.upper_exit
        )

    @override
    def __repr__(self) -> str:
        order, terms = self.coefficients.shape
        found = f"order {order}, degree {terms - 1} in λ, held-out error {self.error:.1g}"
        return f"{self.name}, measured: {found}"

    @override
    def __str__(self) -> str:
        return "\n".join([text(self), *(f"  {note}" for note in self.notes)])
