"""Eigenvalues of largest modulus from an Arnoldi space, and how wrong they may be."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.linalg
import torch
from numpy import ndarray
from torch import Tensor

from passband.spectra.arnoldi import Arnoldi

CAUTION = 4.0  # for bounds that hold to first order


@final
@dataclass(frozen=True, slots=True, eq=False)
class Modes:
    """Ritz pairs of an Arnoldi space, by descending modulus, conjugates side by side.

    Attributes:
        values: Shape ``(m,)``, complex.
        weights: Coordinates of unit vectors in the basis, as columns, shape ``(m, m)``.
        partners: Those of left eigenvectors, ``yᴴ B = λ yᴴ``, likewise.
        residuals: Bounds on ``‖A x − λ x‖₂``, rounding included, shape ``(m,)``.
        conditions: ``1 / |yᴴx|`` within the space, shape ``(m,)``.
        leading: How many are wanted, a pair never divided.
        precision: Error that no product can go below.
    """

    values: ndarray
    weights: ndarray
    partners: ndarray
    residuals: ndarray
    conditions: ndarray
    leading: int
    precision: float

    def tolerances(self, rtol: float) -> ndarray:
        """Return the errors that are small enough, relative to each value."""
        sizes = np.abs(self.values)
        return np.maximum(rtol * sizes, 100 * self.precision * sizes.max(initial=0.0))

    def least(self, count: int) -> float:
        """Return a modulus that keeps ``count`` values, and those that are as large."""
        sizes = np.abs(self.values)
        return float(sizes[count - 1 : count + 1].mean()) * (1 - 1e-10)

    def vectors(self, space: Arnoldi, chosen: ndarray) -> Tensor:
        """Return the unit vectors of some pairs as rows, complex, shape ``(p, n)``."""
        rows = space.basis
        weights = torch.from_numpy(self.weights[:, chosen].T.copy())
        parts = [part.to(rows.device, rows.dtype) @ rows for part in (weights.real, weights.imag)]
        return torch.complex(parts[0], parts[1])


def modes(space: Arnoldi, *, k: int, beside: bool = False) -> Modes:
    """Return the Ritz pairs of a space; ``beside`` its locked rows only, if asked."""
    p = space.locked if beside else 0
    B, eps = space.within[p:, p:], torch.finfo(space.basis.dtype).eps
    eig: Any = scipy.linalg.eig(B, left=True, right=True)
    values, left, right = (part.astype(complex) for part in eig)
    overlap = np.abs((left.conj() * right).sum(0))
    residuals = np.abs(space.leaving[:, p:] @ right).sum(0) + 20 * eps * space.scale
    order = by_modulus(values)
    leading = min(k, len(values))
    values = values[order]
    if leading < len(values) and np.imag(values[leading - 1]) > 0:  # its conjugate comes next
        leading += 1
    return Modes(
        values=values,
        weights=right[:, order],
        partners=left[:, order],
        residuals=residuals[order],
        conditions=1 / np.maximum(overlap[order], np.finfo(float).eps),
        leading=leading,
        precision=eps,
    )


def by_modulus(values: ndarray) -> ndarray:
    """Return the order by descending modulus, ``a + bi`` right before ``a − bi``."""
    return np.lexsort(
        (-np.imag(values), np.abs(np.imag(values)), -np.real(values), -np.abs(values))
    )
