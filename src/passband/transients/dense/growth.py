"""How far an iteration or a flow really goes: the norms of all powers, and the worst start."""

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

import numpy as np
import scipy.linalg
import scipy.optimize
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Float, Num
from passband.transients.dense.boundary import stability
from passband.transients.dense.curves import curves_of
from passband.transients.dense.envelope import curve, largest_power, settled_after
from passband.transients.dense.matrices import Time, as_square, check_time, norm
from passband.transients.dense.numerical_range import numerical_abscissa

_TOLERANCE, _TICK_TOLERANCE = 1e-9, 1e-4  # of the peak of an iteration, of a flow's grid
_TICKS = 2**10  # of a flow, in a time 1/‖A‖


@final
@dataclass(frozen=True, slots=True, eq=False)
class Growth:
    """The transient of an iteration ``x ← A x`` or a flow ``x' = A x`` from its worst start.

    Attributes:
        peak: The largest ``‖Aᵏ‖`` (``‖e^{tA}‖``): how much a perturbation can be amplified.
            Infinite if it grows without bound.
        bound: Upper bound of the same; equal to `peak` up to 1e-9 (up to 1e-3 for a flow),
            unless the search was cut short.
        time: When the peak is reached: a number of steps, or a time.
        direction: The unit perturbation that is amplified most, shape ``(n,)``.
        response: What becomes of it at the peak, shape ``(n,)``.
        times: Times at which `curve` is given, shape ``(m,)``: eight an octave.
        curve: ``‖Aᵏ‖`` (``‖e^{tA}‖``) at these times, shape ``(m,)``.
        flow: Whether this is a flow.
    """

    peak: float
    bound: float
    time: float
    direction: Num[ndarray, " n"]
    response: Num[ndarray, " n"]
    times: Float[ndarray, " m"]
    curve: Float[ndarray, " m"]
    flow: bool
    _step: Num[ndarray, "n n"] = field(repr=False)
    _tick: float = field(repr=False)

    @property
    def step(self) -> int:
        """The step at which the peak of an iteration is reached."""
        if self.flow:
            raise AttributeError("a flow has no steps; its peak is reached at `time`.")
        if math.isinf(self.time):
            raise AttributeError("the powers grow without bound: there is no peak, `time` is inf.")
        return round(self.time)

    def settling(self, eps: float = 1e-3) -> float:
        """Return the time after which the norm stays at or below ``eps`` for good.

        A number of steps, or a time, right to a thousandth of ``1/‖A‖``; ``inf`` if never.

        Args:
            eps: The norm at which the transient counts as over, above zero.

        Raises:
            ValueError: If eps is not positive and finite.
        """
        if not 0 < eps < math.inf:
            raise ValueError(f"`eps` must be positive and finite; got {eps!r}.")
        if not math.isfinite(self.bound):
            return math.inf
        settled = settled_after(self._step, eps, bound=self.bound)
        return math.inf if settled is None else settled * self._tick

    @override
    def __str__(self) -> str:
        if math.isinf(self.peak):
            return "a perturbation grows without bound"
        when = f"time {self.time:.6g}" if self.flow else f"step {self.step}"
        text = f"a perturbation grows at most {self.peak:.6g} times, at {when}"
        if self.bound > self.peak * 1.01:
            text += f" (no more than {self.bound:.4g} was shown)"
        return text


def growth(A: Any, *, time: Time = "discrete") -> Growth:
    """Return the largest power of a matrix, when it is reached, and from which start.

    ``max_k ‖Aᵏ‖`` over all k, not up to a horizon: powers after one of norm one or less cannot
    be larger than those before, and whole ranges before it are excluded by submultiplicativity.
    A few hundred products of A and norms, for slow and for fast dynamics.

    Args:
        A: Square matrix, shape ``(n, n)``.
        time: ``"discrete"`` for ``Aᵏ``, ``"continuous"`` for ``e^{tA}``.

    Returns:
        The peak with its upper bound, time, direction and response, and the curve of norms.

    Raises:
        TypeError: If A is not a matrix of numbers.
        ValueError: If A is not a finite square matrix, or ``time`` is neither of the two.

    Example:
        The first step is the worst: ``(√17 + 4) / 2``.

        >>> print(growth([[0.5, 0.0], [4.0, 0.5]]))
        a perturbation grows at most 4.06155 times, at step 1

    References:
        Trefethen and Embree, *Spectra and Pseudospectra*, Princeton 2005, chapters 14 and 16;
        Farrell and Ioannou, J. Atmos. Sci. 53, 1996 (optimal perturbations).
    """
    matrix = as_square(A)
    check_time(time)
    if time == "discrete":
        tick, step = 1.0, matrix
    else:
        tick = 1 / (_TICKS * (norm(matrix) or 1.0))
        step = np.asarray(scipy.linalg.expm(tick * matrix))
    unstable = stability(curves_of(matrix, time, tolerance=1e-3)).kind == "unstable"
    seen = curve(step, bounded=not unstable)
    made = partial(
        Growth,
        times=seen.k * tick,
        curve=seen.norms,
        flow=time == "continuous",
        _step=step,
        _tick=tick,
    )
    if unstable:
        values, vectors = np.linalg.eig(matrix)
        outermost = np.abs(values) if time == "discrete" else np.real(values)
        direction = vectors[:, outermost.argmax()]
        return made(math.inf, math.inf, math.inf, direction, direction)
    if time == "discrete":
        k, peak, bound = largest_power(step, among=seen, rtol=_TOLERANCE)
        return made(peak, bound, float(k), *_worst_start(np.linalg.matrix_power(step, k), step))
    k, _, bound = largest_power(step, among=seen, rtol=_TICK_TOLERANCE)
    between = math.exp(max(numerical_abscissa(matrix), 0.0) * tick)
    t = _refined(matrix, k * tick, tick)
    worst = np.asarray(scipy.linalg.expm(t * matrix))
    return made(norm(worst), bound * between, t, *_worst_start(worst, step))


def _refined(A: Num[ndarray, "n n"], t: float, tick: float) -> float:
    """Return the time of the largest ``‖e^{tA}‖`` within a tick of t."""
    if t == 0:
        return 0.0

    def fallen(s: float) -> float:
        return -norm(np.asarray(scipy.linalg.expm(s * A)))

    bounds = (max(t - tick, 0.0), t + tick)
    found = scipy.optimize.minimize_scalar(
        fallen, bounds=bounds, method="bounded", options={"xatol": 1e-6 * tick}
    )
    return float(found.x) if found.fun < fallen(t) else t


def _worst_start(
    P: Num[ndarray, "n n"], step: Num[ndarray, "n n"]
) -> tuple[Num[ndarray, " n"], Num[ndarray, " n"]]:
    """Return the unit vector that P amplifies most, and its image; if P = I, what decays last."""
    still = np.array_equal(P, np.eye(len(P)))
    direction = np.linalg.svd(step if still else P)[2][0].conj()
    pivot = direction[np.abs(direction).argmax()]
    direction = direction * (np.conj(pivot) / abs(pivot))
    return direction, P @ direction
