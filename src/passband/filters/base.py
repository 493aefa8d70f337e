"""What all filters share: curvature in, transition, multipliers, radius and passband out."""

from abc import ABC, abstractmethod
from typing import Any, final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Complex, Float, Num
from passband.filters.loop import Loop
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
            Entries beyond double precision are infinite.

        Raises:
            ValueError: If a curvature is NaN or infinite.
        """
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            M = self._transition(as_curvature(lam))
        M[np.isnan(M)] = np.inf
        return M

    @final
    def multipliers(self, lam: Any) -> Complex[ndarray, "*batch s"]:
        """Return the eigenvalues of ``M(λ)``, shape ``(..., s)``, in no particular order."""
        M = self.transition(lam)
        finite = np.isfinite(M).all(axis=(-2, -1))
        z = np.full(M.shape[:-1], np.inf, dtype=np.complex128)
        z[finite] = np.linalg.eigvals(M[finite])
        return z

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
        return self.response.preimage(self.loop.admissible())
