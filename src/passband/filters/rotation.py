"""Imaginary curvature: the modes of games that only rotate."""

import numpy as np
from numpy import ndarray

from passband.filters.crossings import admissible_set, polynomial_conditions
from passband.filters.cycle import Cycle


def rotation_edge(cycle: Cycle) -> float:
    """Return the largest ω up to which ``λ = ±iω`` is admitted; 0 if none is.

    The complex M(iω) is written as a real matrix of twice the size, polynomial in ω.
    """

    def change(omega: ndarray) -> ndarray:
        E = cycle.change(1j * omega)
        real, imaginary = np.real(E), np.imag(E)
        upper = np.concatenate([real, -imaginary], axis=-1)
        lower = np.concatenate([imaginary, real], axis=-1)
        return np.concatenate([upper, lower], axis=-2)

    conditions = polynomial_conditions(
        change, size=2 * len(cycle.slots), degree=2 * cycle.degree, scale=cycle.scale
    )
    return admissible_set(change, conditions).edge
