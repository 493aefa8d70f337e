"""Quadratic certificates: how much growth the best Lyapunov function cannot exclude."""

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Float
from passband.transients.dense.barrier import NEWTONS, Barrier
from passband.transients.dense.matrices import as_square, spectral_radius

_LARGEST = 40
_FASTER = 8.0  # of the barrier parameter from one center to the next


@final
@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """A norm ``x ↦ √(xᵀPx)`` in which no step is longer than ``rate`` times the last.

    So ``‖Aᵏ‖ ≤ growth · rateᵏ`` for all k, and for every product of matrices for which P serves.

    Attributes:
        growth: ``√(λ_max(P) / λ_min(P))``: the proven bound.
        lower: No quadratic function proves less than this, up to rounding: from ``growth`` of 1e4
            on Newton steps have few digits left, and the two may stay apart.
        rate: The factor a step.
        P: The matrix, ``I ⪯ P`` and ``AᵀPA ⪯ rate² P``, shape ``(n, n)``; of a complex A that of
            ``[[Re A, −Im A], [Im A, Re A]]``.
        steps: Newton steps that were taken.
    """

    growth: float
    lower: float
    rate: float
    P: Float[ndarray, "n n"]
    steps: int

    @override
    def __str__(self) -> str:
        decay = "" if self.rate == 1 else f" · {self.rate:.6g}ᵏ"
        return f"no power exceeds {self.growth:.6g}{decay}, by a quadratic Lyapunov function"


def certificate(A: Any, *, rate: float = 1.0, rtol: float = 1e-3) -> Certificate:
    """Return the best bound of all powers that a quadratic Lyapunov function proves.

    The least κ with ``I ⪯ P ⪯ κ I`` and ``AᵀPA ⪯ rate² P``, a linear matrix inequality, by a
    barrier method; ``growth = √κ``. It bounds the peak of `growth` from above, is no better than
    it, and can be much worse; what it buys is that one P may serve many A. Newton steps with
    ``n(n+1)/2`` unknowns: a second at n = 16, a minute at 32.

    Args:
        A: Square matrix, shape ``(n, n)``, n up to 40.
        rate: The factor a step to prove, above the spectral radius.
        rtol: Relative distance of ``growth`` to ``lower``, in (0, 1).

    Raises:
        TypeError: If A is not a matrix of numbers.
        ValueError: If A is not a finite square matrix of a size allowed, ``rtol`` is out of range,
            or ``rate`` is not above the spectral radius: there is no certificate.

    Example:
        Of ``[[½, 0], [4, ½]]`` the largest power is ``(√17 + 4) / 2 = 4.06``; this proves 5.33.

        >>> print(certificate([[0.5, 0.0], [4.0, 0.5]], rtol=1e-4))
        no power exceeds 5.333..., by a quadratic Lyapunov function

    References:
        Boyd et al., *Linear Matrix Inequalities in System and Control Theory*, SIAM 1994,
        section 5.1; Boyd and Vandenberghe, *Convex Optimization*, 2004, section 11.6.
    """
    matrix = as_square(A)
    if np.iscomplexobj(matrix):
        re, im = np.real(matrix), np.imag(matrix)
        matrix = np.block([[re, -im], [im, re]])
    if len(matrix) > _LARGEST:
        raise ValueError(
            f"`A` must have at most {_LARGEST} rows here, twice as many as a complex matrix has; "
            f"got {len(matrix)}. `Blocks` and `growth` bound larger ones."
        )
    if not 0 < rtol < 1:
        raise ValueError(f"`rtol` must lie in (0, 1); got {rtol!r}.")
    radius = spectral_radius(matrix)
    if not radius < rate < math.inf:
        raise ValueError(
            f"`rate` must be above the spectral radius, {radius:.6g}; got {rate!r}. "
            "Nothing decays faster than that."
        )
    barrier = Barrier(matrix / rate)
    point, newtons = barrier.begin(), 0
    t = 3.0 * len(matrix) / point.kappa
    while True:
        point, spent, decrement = barrier.centered(point, t)
        newtons += spent
        lower = max(point.kappa - barrier.gap(t, decrement), 1.0)
        upper = barrier.condition(point.P)
        stuck = spent >= NEWTONS
        if upper <= lower * (1 + rtol) ** 2 or stuck:
            return Certificate(math.sqrt(upper), math.sqrt(lower), float(rate), point.P, newtons)
        t *= _FASTER
