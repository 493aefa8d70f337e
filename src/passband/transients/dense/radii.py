"""How far perturbations of norm ε can push eigenvalues: outward, to the right, over the edge."""

from typing import Any

import numpy as np
from numpy import ndarray

from passband._shapes import Num
from passband.transients.dense.boundary import stability
from passband.transients.dense.circles import Circles
from passband.transients.dense.curves import curves_of
from passband.transients.dense.level_sets import Curves, Samples
from passband.transients.dense.lines import Lines
from passband.transients.dense.matrices import (
    Time,
    as_square,
    check_level,
    check_time,
)
from passband.transients.dense.singular import smallest_singular_values

_TOLERANCE = 1e-12
_STARTS = 4
_ROUNDS = 50


def pseudospectral_radius(A: Any, eps: float) -> float:
    """Return ``ρ_ε(A) = max {|z| : z ∈ Λ(A + E), ‖E‖ ≤ ε}``.

    For a normal matrix it is ``ρ + ε``. ``(ρ_ε − 1) / ε`` is a lower bound of the Kreiss
    constant, which is its supremum over ε. Criss-cross: a search along a ray, then along the
    circle reached, in turn; each an eigenproblem of size 2n, about ten of them.

    Args:
        A: Square matrix, shape ``(n, n)``.
        eps: Norm of the perturbations, zero or above.

    Raises:
        TypeError: If A is not a matrix of numbers.
        ValueError: If A is not a finite square matrix, or eps is negative or not finite.

    Example:
        >>> round(pseudospectral_radius([[0, 0], [0, 0.5]], 0.25), 12)
        0.75

    References:
        Mengi and Overton, IMA J. Numer. Anal. 25, 2005, algorithm 3.
    """
    check_level(eps)
    return _outermost(Circles(as_square(A), tolerance=_TOLERANCE), float(eps))


def pseudospectral_abscissa(A: Any, eps: float) -> float:
    """Return ``α_ε(A) = max {Re z : z ∈ Λ(A + E), ‖E‖ ≤ ε}``.

    The same for flows: vertical lines in place of circles.

    Args:
        A: Square matrix, shape ``(n, n)``.
        eps: Norm of the perturbations, zero or above.

    Raises:
        TypeError: If A is not a matrix of numbers.
        ValueError: If A is not a finite square matrix, or eps is negative or not finite.

    Example:
        >>> round(pseudospectral_abscissa([[-2, 0], [0, -1]], 0.25), 12)
        -0.75

    References:
        Burke, Lewis and Overton, IMA J. Numer. Anal. 23, 2003.
    """
    check_level(eps)
    return _outermost(Lines(as_square(A), tolerance=_TOLERANCE), float(eps))


def distance_to_instability(A: Any, *, time: Time = "discrete") -> float:
    """Return the norm of the smallest perturbation that puts an eigenvalue on the boundary.

    It is ``min σ_min(zI − A)`` over the unit circle (the imaginary axis), and 0 for a matrix
    that is unstable already. Perturbations are complex. Its rounding error is about
    ``1e-16 ‖A‖``, however small it is.

    Args:
        A: Square matrix, shape ``(n, n)``.
        time: ``"discrete"`` for ``x ← A x``, ``"continuous"`` for ``x' = A x``.

    Raises:
        TypeError: If A is not a matrix of numbers.
        ValueError: If A is not a finite square matrix, or ``time`` is neither of the two.

    Example:
        >>> distance_to_instability([[0.5, 0], [0, -0.75]])
        0.25

    References:
        Byers, SIAM J. Sci. Stat. Comput. 9, 1988; Boyd and Balakrishnan, 1990.
    """
    check_time(time)
    curves = curves_of(as_square(A), time, tolerance=_TOLERANCE)
    still = curves.norm == 0 and time == "continuous"
    if still or stability(curves).kind == "unstable":
        return 0.0
    z = curves.maximum(0.0).z
    return float(smallest_singular_values(curves.A, np.array([z]))[0])


def _outermost(curves: Curves, eps: float) -> float:
    """Return the largest modulus (real part) of the ε-pseudospectrum."""
    values, time = curves.eigenvalues, curves.time
    size = np.abs(values) if time == "discrete" else np.real(values)
    best = float(size.max())
    if eps == 0:
        return best
    order = np.argsort(-size)[:_STARTS]
    t = np.angle(values[order]) if time == "discrete" else np.imag(values[order])
    for _ in range(_ROUNDS):
        reached = [_outward(curves.A, eps, float(angle), time) for angle in t]
        incumbent, previous, best = float(t[np.argmax(reached)]), best, max(best, *reached)
        if best - previous <= _TOLERANCE * (abs(best) + eps):
            break
        x = best - 1 if time == "discrete" else best
        starts = curves.starts(x)
        crossings = curves.crossings(x, eps, Samples(starts, curves.smallest(x, starts)))
        if not len(crossings):
            break
        middle = curves.midpoints(crossings)
        t = np.append(middle[curves.smallest(x, middle) < eps], incumbent)
    return best


def _outward(A: Num[ndarray, "n n"], eps: float, t: float, time: Time) -> float:
    """Return the farthest point of the ε-pseudospectrum along one ray (horizontal line)."""
    identity = np.eye(len(A))
    turned = np.exp(-1j * t) * A if time == "discrete" else A - 1j * t * identity
    block = np.block([[turned, -eps * identity], [-eps * identity, turned.conj().T]])
    found = np.linalg.eigvals(block)
    scale = float(np.abs(found).max())
    real = np.real(found[np.abs(np.imag(found)) <= 1e-6 * scale])
    if not real.size:
        return -np.inf
    return _polished(turned, float(real.max()), eps)


def _polished(B: Num[ndarray, "n n"], x: float, eps: float) -> float:
    """Return the root of ``σ_min(xI − B) = ε`` next to x, by Newton's method."""
    identity = np.eye(len(B))
    for _ in range(20):
        u, s, vh = np.linalg.svd(x * identity - B)
        slope = float(np.real(u[:, -1].conj() @ vh[-1].conj()))
        if not slope > 1e-8:
            return x if s[-1] <= eps * (1 + 1e-9) else -np.inf
        step = (eps - float(s[-1])) / slope
        x += step
        if abs(step) <= 1e-15 * max(abs(x), eps):
            break
    return x
