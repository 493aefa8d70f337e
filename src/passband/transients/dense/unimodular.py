"""Eigenvalues of a pencil on the unit circle: where a level is crossed along a circle.

A level set method asks one question, at which angles does an extreme eigenvalue of a Hermitian
family along ``|μ| = 1`` take a given value, and the answer is the unimodular eigenvalues of a
pencil ``A − μB`` of twice the size. The QZ algorithm finds them without inverting anything. Ten
times cheaper is the Cayley transform that takes the circle to the imaginary axis, with one
point of the circle going to infinity; it is safe if that point is far from every crossing.
"""

import warnings

import numpy as np
import scipy.linalg
from numpy import ndarray

from passband._shapes import Float, Num

NEAR = 1e-5
"""How far from the circle (relative to an axis: its scale) an eigenvalue may be computed.

Generous, because a false hit costs one singular value and a missed one breaks a bound.
"""


def unimodular_angles(
    A: Num[ndarray, "m m"], B: Num[ndarray, "m m"], *, away: complex | None
) -> Float[ndarray, " k"]:
    """Return the arguments of the eigenvalues of ``A − μB`` near ``|μ| = 1``, ascending.

    Args:
        A: Left matrix of the pencil.
        B: Right matrix of the pencil.
        away: A point on the circle at which ``A − μB`` is well conditioned, so that the Cayley
            transform may be used; None where there is none.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a singular pencil answers NaN: no eigenvalue there
        if away is None:
            mu = np.asarray(scipy.linalg.eigvals(A, B, check_finite=False))
        else:
            w = -away if np.iscomplexobj(A) else -away.real
            s = np.linalg.eigvals(np.linalg.solve(A + w * B, A - w * B))
            mu = w * (1 + s) / (1 - s)
        on_circle = np.abs(np.abs(mu) - 1) <= NEAR
    return np.sort(np.angle(mu[on_circle]))


def between(angles: Float[ndarray, " k"]) -> Float[ndarray, " k"]:
    """Return the midpoints of the arcs between ascending angles, the last arc across ``±π``."""
    following = np.append(angles[1:], angles[0] + 2 * np.pi)
    return (angles + following) / 2
