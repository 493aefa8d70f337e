"""What all filters share: curvature in, transition, multipliers, radius and passband out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Complex, Float, Num
from passband.filters.crossings import Degrees, admissible_set
from passband.filters.passband import Interval, Passband
from passband.filters.response import Identity, Response, as_curvature


class Filter(ABC):
    """The action of an optimizer on a mode of curvature ``λ``: multiplication by ``M(λ)``.

    Near a critical point with Hessian eigenvalue λ, one step (one period, for schedules)
    multiplies the error along the eigenvector and the optimizer's state for it by the small
    matrix ``M(λ)``. Everything else follows from it.

    References:
        Bolte, Le, Pauwels, arXiv 2510.09034.
    """

    @abstractmethod
    def _transition(self, lam: Num[ndarray, "*batch"]) -> Num[ndarray, "*batch s s"]:
        """Return ``M(λ)`` for finite curvatures already in double precision."""

    @abstractmethod
    def _passband(self) -> Passband:
        """Return the admissible set."""

    @property
    @abstractmethod
    def gradients_per_step(self) -> float:
        """Gradient evaluations one step costs; a Hessian-vector product counts as one."""

    @final
    def transition(self, lam: Any) -> Num[ndarray, "*batch s s"]:
        """Return the one-step matrix ``M(λ)`` for every curvature in ``lam``.

        Args:
            lam: Curvatures, any shape ``(...)``; real, or complex for games.

        Returns:
            Matrices of shape ``(..., s, s)``, one row per state slot, float64 or complex128.

        Raises:
            ValueError: If a curvature is NaN or infinite.
        """
        return self._transition(as_curvature(lam))

    @final
    def multipliers(self, lam: Any) -> Complex[ndarray, "*batch s"]:
        """Return the eigenvalues of ``M(λ)``, shape ``(..., s)``, in no particular order."""
        return np.linalg.eigvals(self.transition(lam)).astype(np.complex128)

    @final
    def radius(self, lam: Any) -> Float[ndarray, "*batch"]:
        """Return the spectral radius of ``M(λ)``: the factor per step, once transients are gone.

        At an edge multipliers can be multiple; there the radius is right to about 1e-8 only.
        Ask `passband` whether a curvature is admissible.
        """
        return np.asarray(np.abs(self.multipliers(lam)).max(axis=-1))

    @final
    def passband(self) -> Passband:
        """Return every admissible curvature, ``{λ real : radius(λ) ≤ 1}``, of both signs.

        The boundaries are found algebraically and completely, not on a grid; see
        `passband.filters.crossings`. Milliseconds.
        """
        return self._passband()

    @property
    @final
    def edge(self) -> float:
        """Upper end of the admissible interval that holds 0+: the classical stability edge."""
        return self.passband().edge

    @property
    @final
    def leaks(self) -> tuple[Interval, ...]:
        """Admissible intervals of negative curvature: saddles that attract the optimizer."""
        return self.passband().leaks


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
    """

    D: Float[ndarray, "s s"]
    b: Float[ndarray, " s"]
    c: Float[ndarray, " s"]
    x: Float[ndarray, " s"]

    @classmethod
    def from_changes(
        cls, changes: Sequence[ndarray], *, point: ndarray, weights: ndarray | None = None
    ) -> "Loop":
        """Read the loop off an update written on linear forms.

        A form lists the coefficients of the old slots and, last, of the gradient.

        Args:
            changes: New minus old state, one form for each slot.
            point: Where the gradient is taken.
            weights: The weights that count; ``point`` by default.
        """
        rows = np.stack(list(changes))
        return cls(
            D=rows[:, :-1],
            b=rows[:, -1],
            c=point[:-1],
            x=(point if weights is None else weights)[:-1],
        )

    def transition(
        self, mu: Num[ndarray, "*batch"], *, less: float = 0.0
    ) -> Num[ndarray, "*batch s s"]:
        """Return ``M(μ) − less · I``."""
        fixed = self.D + (1 - less) * np.eye(len(self.b))
        return fixed + mu[..., None, None] * np.outer(self.b, self.c)

    def admissible(self, *, scale: float) -> Passband:
        """Return ``{μ : radius ≤ 1}``. With rank one, det(M ∓ I) and C₂(M) are affine in μ."""
        size = len(self.b)
        degrees = Degrees(single=1, pair=max(size - 1, 1))
        return admissible_set(self.transition, size=size, degrees=degrees, scale=scale)


class LoopFilter(Filter):
    """A filter that is one loop, shown the curvature through a gradient oracle.

    Subclasses say what the loop is; ``M(λ) = A + h(λ) b cᵀ`` follows, and the passband is the
    preimage under ``h`` of the loop's own.
    """

    lr: float

    @property
    @abstractmethod
    def loop(self) -> Loop:
        """The optimizer as a feedback loop, given the gradient of its oracle."""

    @property
    def response(self) -> Response:
        """The gradient oracle ``λ ↦ h(λ)``; the gradient at the weights by default."""
        return Identity()

    @property
    @override
    def gradients_per_step(self) -> float:
        return self.response.gradients

    @final
    @override
    def _transition(self, lam: Num[ndarray, "*batch"]) -> Num[ndarray, "*batch s s"]:
        return self.loop.transition(np.asarray(self.response(lam)))

    @final
    @override
    def _passband(self) -> Passband:
        return self.response.preimage(self.loop.admissible(scale=1 / self.lr))
