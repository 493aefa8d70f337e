"""Lines ``Re z = x``: where a flow ``x' = A x`` is examined."""

from typing import ClassVar, final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Complex, Float
from passband.transients.dense.level_sets import Curves, Samples
from passband.transients.dense.matrices import Time
from passband.transients.dense.unimodular import NEAR

_UNIFORM = 16
_NEAREST = 12


@final
class Lines(Curves):
    """Lines parallel to the imaginary axis, parametrized by the frequency."""

    time: ClassVar[Time] = "continuous"

    @override
    def point(self, x: float, t: Float[ndarray, " k"]) -> Complex[ndarray, " k"]:
        return x + 1j * t

    @override
    def velocity(self, x: float, t: float) -> tuple[complex, complex]:
        return 1j, 0j

    @override
    def starts(self, x: float) -> Float[ndarray, " k"]:
        order = np.argsort(-np.real(self.eigenvalues))[:_NEAREST]
        rightmost = np.imag(self.eigenvalues[order])
        reach = max(self.norm, x)
        if self.real:
            return np.concatenate([np.linspace(0, reach, _UNIFORM), np.abs(rightmost)])
        return np.concatenate([np.linspace(-reach, reach, _UNIFORM), rightmost])

    @override
    def crossings(self, x: float, level: float, looked: Samples) -> Float[ndarray, " k"]:
        shifted = self.A - x * self.identity
        level_block = level * self.identity
        hamiltonian = np.block([[shifted, -level_block], [level_block, -shifted.conj().T]])
        found = np.linalg.eigvals(hamiltonian)
        on_axis = np.sort(found[np.abs(found.real) <= NEAR * (self.norm + x)].imag)
        return np.unique(np.abs(on_axis)) if self.real else on_axis

    @override
    def midpoints(self, crossings: Float[ndarray, " k"]) -> Float[ndarray, " m"]:
        inner = (crossings[1:] + crossings[:-1]) / 2
        return np.append(inner, 0.0) if self.real else inner

    @override
    def grid(self, outside: float) -> list[float]:
        reach = 4 * max(outside, 1e-3 * self.norm)
        return [0.0, *np.geomspace(1e-6 * self.norm, reach, 8).tolist()]

    @override
    def tail(self, x: float, outside: float) -> float:
        return x / (x - outside) if x > outside else np.inf

    @override
    def tail_start(self, height: float, outside: float) -> float:
        return height * outside / (height - 1)

    @override
    def coordinate(self, x: float) -> float:
        return x

    @override
    def steepest(self, slope: float, depth: float) -> float:
        return -1 / slope - depth if slope < 0 else np.inf
