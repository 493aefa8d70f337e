"""The largest gain ``‖C (zI − A)⁻¹ B‖`` along a circle or a line, by level sets.

With identities for B and C this is the resolvent norm, which `Circles` and `Lines` find faster
and to smaller values. Here are inputs and outputs: a disturbance of one block seen in another,
a feedback through both, a resolvent with its flat directions taken out.
"""

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from passband._shapes import Complex, Float, Num
from passband.transients.dense.level_sets import Peak
from passband.transients.dense.matrices import Time
from passband.transients.dense.unimodular import NEAR, between, unimodular_angles

_UNIFORM = 32
_BATCH = 64
_ABOVE = 1 + 1e-10  # the upper bound of an answer, relatively


class System(NamedTuple):
    """``C (zI − A)⁻¹ B``: state, input and output matrix."""

    A: Num[ndarray, "n n"]
    B: Num[ndarray, "n i"]
    C: Num[ndarray, "o n"]


def gains(system: System, z: Complex[ndarray, " k"]) -> Float[ndarray, " k"]:
    """Return ``‖C (zI − A)⁻¹ B‖`` for every z."""
    A, B, C = system
    identity = np.eye(len(A))
    parts = [
        np.linalg.norm(
            C @ np.linalg.solve(part[:, None, None] * identity - A, B), ord=2, axis=(-2, -1)
        )
        for part in np.split(z, range(_BATCH, len(z), _BATCH))
    ]
    return np.concatenate(parts)


def largest_gain(system: System, time: Time, *, x: float = 0.0) -> Peak:
    """Return the largest gain on the circle ``|z| = 1 + x``, or the line ``Re z = x``, to 1e-10.

    Args:
        system: All eigenvalues of its state matrix inside the curve.
        time: Whether the curve is a circle or a line.
        x: How far outside the boundary of stability the curve is.
    """
    t = _starts(system, time, x)
    best = 0.0
    where = complex(0)
    while True:
        z = _points(time, x, t)
        found = gains(system, z)
        if not found.max() > best * _ABOVE:
            return Peak(best, best * _ABOVE, where)
        best, where = float(found.max()), complex(z[found.argmax()])
        crossings = _crossings(system, time, x, best * _ABOVE)
        if not crossings.size:
            return Peak(best, best * _ABOVE, where)
        middle = between(crossings) if time == "discrete" else (crossings[1:] + crossings[:-1]) / 2
        t = np.concatenate([crossings, middle])


def _starts(system: System, time: Time, x: float) -> Float[ndarray, " k"]:
    values = np.linalg.eigvals(system.A)
    if time == "discrete":
        uniform = np.linspace(-np.pi, np.pi, _UNIFORM, endpoint=False)
        return np.concatenate([uniform, np.angle(values)])
    reach = max(float(np.abs(values).max()), x)
    return np.concatenate([np.linspace(-reach, reach, _UNIFORM), values.imag, np.zeros(1)])


def _points(time: Time, x: float, t: Float[ndarray, " k"]) -> Complex[ndarray, " k"]:
    return (1 + x) * np.exp(1j * t) if time == "discrete" else x + 1j * t


def _crossings(system: System, time: Time, x: float, gain: float) -> Float[ndarray, " k"]:
    """Return all parameters at which a singular value of the gain matrix is ``gain``."""
    A, B, C = system
    driven, seen = B @ B.conj().T / gain, C.conj().T @ C / gain
    balance = np.sqrt(
        max(float(np.abs(seen).max()), 1e-300) / max(float(np.abs(driven).max()), 1e-300)
    )
    driven, seen = driven * balance, seen / balance
    identity = np.eye(len(A))
    if time == "continuous":
        shifted = A - x * identity
        found = np.linalg.eigvals(np.block([[shifted, driven], [-seen, -shifted.conj().T]]))
        scale = float(np.linalg.norm(A, 2)) + x
        return np.sort(np.imag(found[np.abs(np.real(found)) <= NEAR * scale]))
    r, zero = 1 + x, np.zeros_like(A)
    left = np.block([[A, driven], [zero, r * identity]])
    right = np.block([[r * identity, zero], [seen, A.conj().T]])
    return unimodular_angles(left, right, away=None)
