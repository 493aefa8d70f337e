"""Circles ``|z| = 1 + x``: where an iteration ``x ← A x`` is examined."""

from typing import ClassVar, final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Complex, Float
from passband.transients.dense.level_sets import Curves, Samples
from passband.transients.dense.matrices import ROUNDING, Time
from passband.transients.dense.unimodular import between, unimodular_angles

_UNIFORM = 16
_NEAREST = 12


@final
class Circles(Curves):
    """Circles around the unit circle, parametrized by the angle."""

    time: ClassVar[Time] = "discrete"

    @override
    def point(self, x: float, t: Float[ndarray, " k"]) -> Complex[ndarray, " k"]:
        return (1 + x) * np.exp(1j * t)

    @override
    def velocity(self, x: float, t: float) -> tuple[complex, complex]:
        z = complex((1 + x) * np.exp(1j * t))
        return 1j * z, -z

    @override
    def starts(self, x: float) -> Float[ndarray, " k"]:
        outermost = self.eigenvalues[np.argsort(-np.abs(self.eigenvalues))[:_NEAREST]]
        angles = np.angle(outermost)
        if self.real:
            return np.concatenate([np.linspace(0, np.pi, _UNIFORM // 2 + 1), np.abs(angles)])
        return np.concatenate([np.linspace(-np.pi, np.pi, _UNIFORM, endpoint=False), angles])

    @override
    def crossings(self, x: float, level: float, looked: Samples) -> Float[ndarray, " k"]:
        r, n = 1 + x, len(self.A)
        zero, identity = np.zeros((n, n)), self.identity
        left = np.block([[self.A, -level * identity], [zero, r * identity]])
        right = np.block([[r * identity, zero], [-level * identity, self.A.conj().T]])
        found = unimodular_angles(left, right, away=self._away(r + level, level, looked))
        return np.unique(np.abs(found)) if self.real else found

    def _away(self, size: float, level: float, looked: Samples) -> complex | None:
        """Return a point of the unit circle where the pencil is well conditioned, if one is.

        On the circle its least singular value is ``σ − level``, so that rounding errors of the
        Cayley transform shift the level by about ``shift``. Real matrices stay real.
        """
        t, sigma = looked
        if self.real:
            ends = (t == 0) | (t == np.pi)
            t, sigma = t[ends], sigma[ends]
        clear = float(sigma.max()) - level
        shift = 10 * ROUNDING * (self.norm + size) ** 2 / max(clear, ROUNDING)
        far = shift < 0.1 * self.tolerance * level
        return complex(np.exp(1j * t[sigma.argmax()])) if far else None

    @override
    def midpoints(self, crossings: Float[ndarray, " k"]) -> Float[ndarray, " m"]:
        if not self.real:
            return between(crossings)
        inner = (crossings[1:] + crossings[:-1]) / 2
        return np.concatenate([inner, np.array([0.0, np.pi])])

    @override
    def grid(self, outside: float) -> list[float]:
        return [0.0, *np.geomspace(1e-3, 4 * outside, 8).tolist()]

    @override
    def tail(self, x: float, outside: float) -> float:
        return x / (1 + x - outside) if 1 + x > outside else np.inf

    @override
    def tail_start(self, height: float, outside: float) -> float:
        return height * (outside - 1) / (height - 1)

    @override
    def coordinate(self, x: float) -> float:
        return float(np.log1p(x))

    @override
    def steepest(self, slope: float, depth: float) -> float:
        return (1 + slope * depth) / (-slope - 1) if slope < -1 else np.inf
