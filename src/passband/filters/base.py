"""What all filters share: curvature in, transition, multipliers, radius and passband out."""

import math
from abc import ABC, abstractmethod
from typing import Any, Literal, final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Complex, Float, Num
from passband.filters.checks import check_nonnegative, check_positive
from passband.filters.curvature import as_curvature
from passband.filters.cycle import Cycle, Stage
from passband.filters.eigenvalues import eigenvalues, spectral_radius
from passband.filters.growth import Overshoot, overshoot, settling
from passband.filters.noise import mean_square_edge, stationary_variance
from passband.filters.passband import Interval, Passband
from passband.filters.rotation import rotation_edge
from passband.filters.series import slow_multiplier
from passband.filters.sheet import page, text

Curvature = Literal["plain", "preconditioned"]


class Filter(ABC):
    """The action of an optimizer on a mode of curvature ``λ``: multiplication by ``M(λ)``.

    Near a critical point with Hessian eigenvalue λ, one step (one period, for schedules)
    multiplies the error along the eigenvector and the optimizer's state for it by the small
    matrix ``M(λ)``. Everything else follows from it. ``print(filter)`` shows it all.

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
        """Gradients one step costs; a Hessian-vector product counts as one, here and elsewhere."""

    @property
    def period(self) -> int:
        """Steps of the optimizer that one transition stands for."""
        return 1

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The period as linear maps, one after the other; empty where only ``M(λ)`` is known."""
        return ()

    @property
    def curvature(self) -> Curvature:
        """Of what λ is an eigenvalue: ``"plain"``, H; or ``"preconditioned"``, by a frozen P."""
        return "plain"

    @property
    def memory(self) -> float:
        """Vectors that are kept between steps beside the parameters."""
        return len(self.transition(0.0)) - 1

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
        return eigenvalues(self.transition(lam))

    @final
    def radius(self, lam: Any) -> Float[ndarray, "*batch"]:
        """Return the spectral radius of ``M(λ)``: the factor per step, once transients are gone.

        Per transition, that is per `period`. At an edge multipliers can be multiple; there the
        radius is right to about 1e-8 only. Ask `passband` whether a curvature is admissible.
        """
        return spectral_radius(self.transition(lam))

    @final
    def passband(self) -> Passband:
        """Return every admissible curvature, ``{λ real : radius(λ) ≤ 1}``, of both signs.

        The boundaries are found algebraically and completely, not on a grid; see
        `passband.filters.crossings`. Milliseconds; seconds for long periods with memory.
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

    @property
    @final
    def gain(self) -> float:
        """Speed ``c₁`` of flat modes: the slow multiplier is ``1 − c₁ λ + O(λ²)`` a step.

        ``α`` for gradient descent, ``α / (1 − β)`` with momentum. Compare edges at equal gain
        only. With weight decay λ is counted from the curvature at which modes stand still, so
        coupled decay does not change it. NaN where the slow multiplier is not simple there
        (momentum 1) or flat modes are not let through.
        """
        return -self._slow()[1] / self.period

    @property
    @final
    def kappa(self) -> float:
        """The κ in ``log z = −c₁ (λ + κ λ² + …)`` of the slow multiplier z.

        On smooth stretches the optimizer follows ``f + (κ/2) ‖∇f‖²``: ``α/2`` for gradient
        descent, negative for methods that un-regularize. NaN where `gain` is.
        """
        z0, z1, z2 = self._slow()
        return z2 / z1 - z1 / (2 * z0) if z1 else math.nan

    def _slow(self) -> tuple[float, float, float]:
        """Return the slow multiplier of one transition, as a series where modes stand still."""
        still = (i.lower for i in self.passband() if i.lower <= 0 < i.upper and i.lower_exit == 1)
        center = next(still, 0.0)
        z = slow_multiplier(
            Cycle.of(self.stages).series(center) if self.stages else self._series(center)
        )
        return z.a, z.b, z.c

    def _series(self, center: float) -> tuple[ndarray, ndarray, ndarray]:
        """Return the series of ``M(λ) − I`` from values on a small circle around its center."""
        turns = np.exp(2j * np.pi * np.arange(16) / 16)
        radius = (self.edge if 0 < self.edge < math.inf else 1.0) / 16
        change = self._transition(center + radius * turns) - np.eye(len(self.transition(0.0)))
        coefficients = np.fft.fft(change, axis=0).real / 16
        return coefficients[0], coefficients[1] / radius, coefficients[2] / radius**2

    @property
    @final
    def rotation_edge(self) -> float:
        """Largest ω such that all imaginary curvatures ``±iω'``, ``ω' ≤ ω``, are admitted.

        They are the rotations of games: 0 for gradient descent, ``1/α`` for extragradient. NaN
        where ``M(λ)`` is no polynomial, except for `Proximal`, which admits all, or is only
        measured. Tens of milliseconds.
        """
        return self._rotation_edge()

    def _rotation_edge(self) -> float:
        if not self.stages:
            return math.nan
        cycle = Cycle.of(self.stages, scaled=True)
        return rotation_edge(cycle) if cycle.is_polynomial else math.nan

    @final
    def noise(self, lam: Any) -> Float[ndarray, "*batch"]:
        """Return the stationary variance ``S(λ)`` of the weights under unit gradient noise.

        Noise is white from batch to batch; gradients of one step share their batch. Averaged over
        the steps of a period. Infinite where nothing is stationary, NaN for filters that were
        only measured. Gradient descent has ``α / (λ (2 − αλ))``.

        Args:
            lam: Curvatures, any shape; real.

        Returns:
            Variances of the same shape, in displacement² / gradient².
        """
        lam = _real(as_curvature(lam))
        if not self.stages:
            return np.full(lam.shape, math.nan)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return stationary_variance(Cycle.of(self.stages, scaled=True), lam)

    @final
    def mean_square_edge(self, *, ratio: float) -> float:
        """Return the sharpness at which small batches make the second moment of a mode grow.

        Where the deterministic edge assumes the full gradient, here the curvature of a batch is
        Gaussian around λ with standard deviation ``ratio · λ``, independent from batch to batch.
        Heavy ball has ``2 (1 − β²) / (α ((1 − β) + ratio² (1 + β)))``. A one-direction model.

        Args:
            ratio: Standard deviation over mean of a batch's curvature, ``≥ 0``; ``√((n − B) /
                (B (n − 1)))`` times that of single samples.

        Returns:
            The edge, at most `edge`; NaN where it has no honest value: ``M(λ)`` is not a
            polynomial, or is only measured, there is no finite edge, or a mode has more than 12
            states. The first root of a polynomial of degree up to 24; beyond, as for long
            schedules with memory, the first of 800 curvatures that grows, then bisection: a
            shorter range of growth below it could be passed over.
        """
        check_nonnegative(ratio=ratio)
        edge = self.edge
        if edge == 0:
            return 0.0
        if not self.stages or not math.isfinite(edge):
            return math.nan
        cycle = Cycle.of(self.stages, scaled=True)
        return mean_square_edge(cycle, ratio=ratio, edge=edge) if cycle.is_polynomial else math.nan

    @final
    def overshoot(self, lam: Any) -> Overshoot:
        """Return how far powers of ``M(λ)`` rise, and a bracket of the Kreiss constant.

        Norms depend on coordinates. These are displacements: positions as they are, stored
        gradients times ``lr``. In them heavy ball rises to ``√5 √((1+β)² + β²) / (1 − β)`` at the
        end of its passband, 47 at momentum 0.9.

        Args:
            lam: One real curvature.

        Returns:
            Peak, its step, and the bracket; infinite outside the passband.
        """
        return overshoot(self.in_displacements(lam))

    @final
    def settling(self, lam: Any, *, eps: float = 1e-3) -> float:
        """Return after how many steps every start has shrunk to ``eps`` of its size, for good.

        Counted in steps of the optimizer, in the coordinates of `overshoot`; infinite where the
        radius is not below one, or within 2²⁰ transitions.
        """
        check_positive(eps=eps)
        return settling(self.in_displacements(lam), eps=eps) * self.period

    @final
    def plot(self, *, span: tuple[float, float] | None = None) -> Any:
        """Draw radius, noise and overshoot against λ; see `passband.filters.plot`."""
        from passband.filters.plot import plot

        return plot(self, span=span)

    @override
    def __str__(self) -> str:
        """Return the data sheet; ``repr`` is the constructor call."""
        return text(self)

    def _repr_html_(self) -> str:
        return page(self)

    def in_displacements(self, lam: Any) -> Float[ndarray, "s s"]:
        """Return ``M(λ)`` with every slot of the state in displacements, whose norms compare.

        Args:
            lam: One real curvature.

        Raises:
            ValueError: If it is not one, not real, or not finite.
        """
        curvature = _real(as_curvature(lam))
        if curvature.ndim:
            raise ValueError(f"`lam` must be one curvature; got {lam!r}. Call it in a loop.")
        units = self._units
        return units[:, None] * self.transition(curvature) / units

    @property
    def _units(self) -> Float[ndarray, " s"]:
        """A displacement worth one unit of each slot of the transition."""
        return np.ones(len(self.transition(0.0)))


def _real(lam: ndarray) -> ndarray:
    if np.iscomplexobj(lam):
        raise ValueError(
            f"`lam` must be real here; got {lam}. Complex curvatures have `radius` and "
            "`multipliers`, and `rotation_edge` says which rotations are admitted."
        )
    return lam
