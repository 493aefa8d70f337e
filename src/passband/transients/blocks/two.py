"""Two coupled systems, one driving the other: the worst transient their radii and norms allow."""

import math
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband.transients.blocks.checks import check_margins, check_nonnegative, check_positive
from passband.transients.blocks.closed_form import Margins, kreiss_of, noise_of
from passband.transients.blocks.measured import Bounded, comparison_matrix
from passband.transients.blocks.norms import peak_of, steps_of, trust_of
from passband.transients.blocks.ratio import Aim, best_ratio_of
from passband.transients.dense.matrices import as_square, check_level


@final
@dataclass(frozen=True, slots=True)
class Blocks:
    r"""Systems ``J = [[A, E], [C, B]]``, A and B normal, known by radii and norms only.

    The first block drives the second through C, and hears back through E. Near an equilibrium of
    simultaneous descent ``A = I − η_x H_x``, so ``1 − a = η_x μ_x``, and ``c = η_y ‖∂²g/∂y∂x‖``.
    Of all these systems, of any dimension, the comparison matrix ``N = [[a, e], [c, b]]`` is the
    worst: every number here is a supremum over the class, and attained by N. For blocks that
    are not normal take numerical radii, see `of`.

    .. math::
        K^* = \frac{(\alpha+\beta)^2 + (c-e)^2}
                   {(\alpha+\beta)\,\delta + 2|c-e|\sqrt{\alpha\beta-ec}},
        \quad \delta^2 = (\alpha-\beta)^2 + (c+e)^2, \quad \alpha = 1-a,\ \beta = 1-b,

    or 1 if ``(c + e)² ≤ 4αβ``. It does not change if all step sizes are scaled together.

    Args:
        a: Spectral radius of the driving block, zero or above; unstable from 1 on.
        b: Spectral radius of the driven block.
        c: Norm of the coupling that drives, from the first block into the second.
        e: Norm of the feedback.

    Attributes:
        margins: ``(1 − a, 1 − b, c, e)``, in all their digits: `from_margins` does not round them.

    Raises:
        ValueError: If a number is negative or not finite.

    Example:
        ``c / (4(1−a)) + (1−a)/c = 2 + ⅛``; the bound in print is ``2/(1−a) + c/(4(1−a)) = 6``.

        >>> blocks = Blocks(a=0.5, b=0.5, c=4.0)
        >>> blocks.kreiss, blocks.published_bound
        (2.125, 6.0)

    References:
        Ariq, arXiv 2606.04031, whose bound this makes exact; Kreiss, BIT 2, 1962.
    """

    a: float
    b: float
    c: float
    e: float = 0.0
    margins: Margins = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_nonnegative(a=self.a, b=self.b, c=self.c, e=self.e)
        for name in ("a", "b", "c", "e"):
            object.__setattr__(self, name, float(getattr(self, name)))
        object.__setattr__(self, "margins", Margins(1 - self.a, 1 - self.b, self.c, self.e))

    @classmethod
    def from_margins(cls, *, alpha: float, beta: float, c: float, e: float = 0.0) -> "Blocks":
        """Return blocks of radii ``1 − α`` and ``1 − β``, without rounding small margins away.

        Args:
            alpha: Margin of the driving block, ``η_x μ_x`` for gradient descent.
            beta: Margin of the driven block.
            c: Norm of the coupling that drives.
            e: Norm of the feedback.
        """
        check_margins(alpha=alpha, beta=beta)
        blocks = cls(a=1 - alpha, b=1 - beta, c=c, e=e)
        margins = Margins(float(alpha), float(beta), float(c), float(e))
        object.__setattr__(blocks, "margins", margins)
        return blocks

    @classmethod
    def of(cls, J: Any, *, first: int, bound: Bounded = "kreiss") -> "Blocks":
        """Return the smallest class of this kind that bounds a given matrix.

        Args:
            J: Square matrix, shape ``(n, n)``.
            first: Size of the driving block; the rest is driven.
            bound: What is to be bounded. For ``"kreiss"``, and pseudospectra, the radii are the
                numerical radii of the diagonal blocks; for ``"powers"``, peaks and settling
                times, their norms. For normal blocks both are the spectral radii.
        """
        matrix = as_square(J, name="J")
        if not 1 <= first < len(matrix):
            raise ValueError(
                f"`first` must leave two blocks of a matrix of size {len(matrix)}; got {first!r}."
            )
        sizes = first, len(matrix) - first
        (a, e), (c, b) = comparison_matrix(matrix, sizes=sizes, bound=bound).tolist()
        return cls(a=a, b=b, c=c, e=e)

    @property
    def matrix(self) -> ndarray:
        """The comparison matrix ``N = [[a, e], [c, b]]``, the worst of the class."""
        return np.array([[self.a, self.e], [self.c, self.b]], dtype=np.float64)

    @property
    def radius(self) -> float:
        """Spectral radius of N, the largest of the class."""
        return 1 - self.margins.eigenmargins[0]

    @property
    def stable(self) -> bool:
        """Whether all of the class is: ``ec < (1−a)(1−b)``, and both radii below one."""
        return min(self.margins[:2]) > 0 and self.margins.gap > 0

    @property
    def kreiss(self) -> float:
        """The largest Kreiss constant of the class, exactly; ``inf`` if it has unstable members."""
        return kreiss_of(self.margins)

    @property
    def published_bound(self) -> float:
        """``2/(1−γ) + c/(4(1−γ))``, γ the larger radius, for comparison.

        The bound of arXiv 2606.04031, which has no feedback: ``inf`` if ``e > 0``.
        """
        margin = min(self.margins.alpha, self.margins.beta)
        return (2 + self.c / 4) / margin if margin > 0 and self.e == 0 else math.inf

    @property
    def maximizer(self) -> float:
        """The real z at which ``(|z| − 1)‖(zI − N)⁻¹‖`` is K*; ``inf`` if K* is 1 or infinite."""
        K = self.kreiss
        if not 1 < K < math.inf:
            return math.inf
        return 1 + math.sqrt(max(self.margins.gap, 0.0) / ((1 - 1 / K) * (1 + 1 / K)))

    @property
    def critical_feedback(self) -> float:
        """The feedback e at which members become unstable: ``(1−a)(1−b) / c``."""
        alpha, beta, c, _ = self.margins
        if min(alpha, beta) <= 0:
            return 0.0
        return alpha * beta / c if c > 0 else math.inf

    @property
    def critical_coupling(self) -> float:
        """The coupling c up to which there is no transient, ``2√((1−a)(1−b)) − e``, or 0."""
        alpha, beta, _, e = self.margins
        return max(0.0, 2 * math.sqrt(alpha * beta) - e) if min(alpha, beta) > 0 else 0.0

    @property
    def numerical_radius(self) -> float:
        """The largest numerical radius of the class; K* is 1 exactly if it is at most 1."""
        alpha, beta, c, e = self.margins
        return 1 + (math.hypot(alpha - beta, c + e) - alpha - beta) / 2

    def pseudospectral_radius(self, eps: float) -> float:
        """Return the largest ``ρ_ε`` of the class.

        Args:
            eps: Norm of the perturbations, zero or above.
        """
        check_level(eps)
        alpha, beta, c, e = self.margins
        inner = e * c + eps**2 + eps * math.hypot(alpha - beta, c + e)
        return 1 + (math.hypot(alpha - beta, 2 * math.sqrt(inner)) - alpha - beta) / 2

    @property
    def peak(self) -> float:
        """The largest ``‖Jᵏ‖`` of the class over all k; without feedback between K* and 4 K*."""
        return peak_of(self.margins)

    def steps(self, eps: float = 1e-3) -> float:
        """Return the number of steps after which every ``‖Jᵏ‖`` of the class stays at most ``eps``.

        Exact for N; ``inf`` if the class does not settle. Coupling delays by about
        ``ln K* / (1 − γ)`` steps.

        Args:
            eps: The norm at which the transient counts as over.
        """
        check_positive(eps=eps)
        return steps_of(self.margins, float(eps))

    @property
    def noise_floor(self) -> float:
        """``Σ ‖Nᵏ‖_F²``: the stationary ``E‖x‖²`` for noise of unit variance in every step.

        The largest of the class, up to the number of noisy directions; without feedback
        ``1/(1−a²) + 1/(1−b²) + c²(1+ab) / ((1−a²)(1−b²)(1−ab))``. About ``4K²/(1−a)`` for equal
        radii and strong coupling.
        """
        return noise_of(self.margins, 1.0, 1.0)

    def trust_radius(self, curvature: float) -> float:
        """Return how small a perturbation must be for the linear picture to hold.

        Of ``x ← Jx + q(x)`` with ``‖q(x)‖ ≤ Q‖x‖²``, starts within the radius decay, whatever
        the member of the class: ``ρ(1−ρ) / (4 Q M²)`` with ``‖Nᵏ‖ ≤ M ρᵏ``, for the best ρ.

        Args:
            curvature: The bound Q, for instance half the Lipschitz constant of the Jacobian.
        """
        check_positive(curvature=curvature)
        return trust_of(self.margins) / curvature

    def at_ratio(self, tau: float) -> "Blocks":
        """Return the same system with the driven block's step size multiplied by ``tau``.

        Args:
            tau: Factor of ``1 − b`` and of c, above zero; at most ``1/(1−b)``, where the radius
                of the driven block is zero.

        Raises:
            ValueError: If tau is out of this range.
        """
        alpha, beta, c, e = self.margins.at_ratio(tau)
        return Blocks.from_margins(alpha=alpha, beta=beta, c=c, e=e)

    @property
    def no_transient_ratio(self) -> float:
        """The largest factor of the driven block's step size without any transient, or 0.

        ``4(1−a)(1−b)/c²`` without feedback: there the driven block is so slow that it filters.
        """
        alpha, beta, c, e = self.margins
        if min(alpha, beta, self.margins.gap) < 0:
            return 0.0
        if c == 0:
            return math.inf
        inner = 2 * alpha * beta - c * e + 2 * math.sqrt(alpha * beta * self.margins.gap)
        return max(0.0, inner / c**2)

    def best_ratio(
        self,
        *,
        minimize: Aim = "steps",
        eps: float = 1e-3,
        max_kreiss: float = math.inf,
        limits: tuple[float, float] | None = None,
    ) -> "BestRatio":
        """Return the factor of the driven block's step size that serves best.

        Args:
            minimize: ``"steps"`` until ``eps``, or the ``"noise"`` floor, noise in the driven
                block growing with its step size.
            eps: The norm at which the transient counts as over.
            max_kreiss: The largest Kreiss constant to accept, at least 1.
            limits: Smallest and largest factor, the latter at most ``1/(1−b)``; ``(1e-4,
                1/(1−b))`` by default. The real limit of a step size is set by the largest
                curvature, which the margins do not know.

        Raises:
            ValueError: If an argument is out of range, or no factor within the limits is stable
                and meets ``max_kreiss``.
        """
        check_positive(eps=eps)
        tau, cost = best_ratio_of(
            self.margins, minimize=minimize, eps=eps, max_kreiss=max_kreiss, limits=limits
        )
        return BestRatio(tau, cost, self.at_ratio(tau))

    @override
    def __str__(self) -> str:
        radii = f"blocks of radii {self.a:g} and {self.b:g}, couplings {self.c:g} and {self.e:g}"
        limit = f"feedback must stay below {self.critical_feedback:.4g}"
        if not self.stable:
            return f"{radii}: some are not stable; {limit}"
        return (
            f"{radii}: Kreiss constants up to {self.kreiss:.6g}, peaks up to {self.peak:.6g}, "
            f"below 1e-3 after {self.steps(1e-3):.0f} steps; {limit}"
        )


@final
@dataclass(frozen=True, slots=True)
class BestRatio:
    """A proposed factor of the driven block's step size.

    Attributes:
        ratio: The factor.
        cost: The number of steps, or the noise floor, that it is best for.
        blocks: The blocks at this factor. Measure again there: the model is that of one point.
    """

    ratio: float
    cost: float
    blocks: Blocks
