"""Pseudospectra on a grid: how far each point of the plane is from being an eigenvalue."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.linalg
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Complex, Float, Num
from passband.transients.dense.matrices import as_axis, as_matrix, as_square
from passband.transients.dense.singular import smallest_singular_values
from passband.transients.dense.triangular import smallest_singular_values_triangular

_SMALL = 32  # up to here a stack of full decompositions is as fast


@final
@dataclass(frozen=True, slots=True, eq=False)
class Pseudospectrum:
    """Levels of the pseudospectrum on a grid, in the layout of contour plots.

    The ε-pseudospectrum, ``{z : sigma(z) ≤ ε}``, is where a perturbation of norm ε can move an
    eigenvalue. ``1 / sigma`` is the norm of the resolvent.

    Attributes:
        x: Real parts, shape ``(columns,)``.
        y: Imaginary parts, shape ``(rows,)``.
        sigma: Smallest singular value of ``zI − A``, shape ``(rows, columns)``. Its rounding
            error is about ``1e-16 ‖zI − A‖`` and absolute: levels below that are noise.
        eigenvalues: Eigenvalues of A, shape ``(n,)``.
    """

    x: Float[ndarray, " columns"]
    y: Float[ndarray, " rows"]
    sigma: Float[ndarray, "rows columns"]
    eigenvalues: Complex[ndarray, " n"]

    @override
    def __str__(self) -> str:
        """Return the window, the range of levels, and where they are lowest."""
        row, column = np.unravel_index(int(self.sigma.argmin()), self.sigma.shape)
        lowest = complex(self.x[column], self.y[row])
        re, im = np.real(self.eigenvalues), np.imag(self.eigenvalues)
        inside = (re >= self.x.min()) & (re <= self.x.max())
        inside &= (im >= self.y.min()) & (im <= self.y.max())
        return (
            f"pseudospectrum on {self.x.size} × {self.y.size} points, "
            f"Re {self.x.min():.4g} to {self.x.max():.4g}, Im {self.y.min():.4g} to "
            f"{self.y.max():.4g}\n"
            f"  sigma        {self.sigma.min():.3g}, at {lowest:.4g}, to {self.sigma.max():.3g}\n"
            f"  eigenvalues  {inside.sum()} of {inside.size} in the window"
        )


def pseudospectrum(A: Any, x: Any, y: Any) -> Pseudospectrum:
    """Return ``σ_min(zI − A)`` on the grid ``z = x + iy``.

    Up to n = 32 by full decompositions. Beyond, one Schur decomposition for all points; then
    inverse Lanczos, two triangular solves a step and all points together, until the estimated
    relative error is below 1e-9, or for 80 steps. Where hundreds of singular values crowd at the
    smallest, as they may for nearly normal matrices, these leave it up to 2e-4 too large. Real
    matrices are symmetric about the real axis, and no point is computed twice.

    Args:
        A: Square matrix, shape ``(n, n)``.
        x: Real parts of the grid.
        y: Imaginary parts of the grid.

    Returns:
        The levels, ready for ``plt.contour(p.x, p.y, np.log10(p.sigma))``.

    Raises:
        TypeError: If A is not a matrix of numbers.
        ValueError: If A is not a finite square matrix, or an axis no line of finite numbers.

    Example:
        The distance to the only eigenvalue of a normal matrix.

        >>> pseudospectrum([[0, 0], [0, 0]], x=[0, 3], y=[4]).sigma
        array([[4., 5.]])

    References:
        Trefethen and Embree, *Spectra and Pseudospectra*, Princeton 2005, chapter 39.
    """
    return _on_grid(as_square(A), as_axis(x, name="x"), as_axis(y, name="y"))


def pseudospectrum_low_rank(a: complex, U: Any, V: Any, x: Any, y: Any) -> Pseudospectrum:
    """Return the pseudospectrum of ``a I + U Vᵀ`` without forming it, exactly.

    With ``Q = orth[U, V̄]`` of 2r columns it is the lower one of ``|z − a|`` and the levels of
    the compression ``a I + Q* U Vᵀ Q``, so the cost is that of a matrix of size 2r.

    Args:
        a: The multiple of the identity; 1 for a gradient step.
        U: Left factor, shape ``(n, r)``, real or complex, ``2r < n``.
        V: Right factor, shape ``(n, r)``; transposed, not conjugated.
        x: Real parts of the grid.
        y: Imaginary parts of the grid.

    Returns:
        The levels on the grid; ``eigenvalues`` are those of the compression.

    Raises:
        TypeError: If U or V is not a matrix of numbers.
        ValueError: If they are not finite, of one shape and low rank, or an axis is no line of
            finite numbers.
    """
    left, right = as_matrix(U, name="U"), as_matrix(V, name="V")
    if left.shape != right.shape or not 2 * left.shape[1] < left.shape[0]:
        raise ValueError(
            "`U` and `V` must have the same shape (n, r) with 2r < n; "
            f"got {left.shape} and {right.shape}. For full rank use `pseudospectrum`."
        )
    basis = np.linalg.qr(np.hstack([left, right.conj()]))[0]
    core = a * np.eye(basis.shape[1]) + (basis.conj().T @ left) @ (right.T @ basis)
    inner = _on_grid(as_square(core), as_axis(x, name="x"), as_axis(y, name="y"))
    outer = np.abs(inner.x + 1j * inner.y[:, None] - a)
    return Pseudospectrum(inner.x, inner.y, np.minimum(inner.sigma, outer), inner.eigenvalues)


def _on_grid(
    A: Num[ndarray, "n n"], x: Float[ndarray, " columns"], y: Float[ndarray, " rows"]
) -> Pseudospectrum:
    triangle = np.asarray(scipy.linalg.schur(A, output="complex")[0])
    heights, row = np.unique(np.abs(y) if np.isrealobj(A) else y, return_inverse=True)
    z = (x + 1j * heights[:, None]).ravel()
    if len(A) <= _SMALL:
        sigma = smallest_singular_values(A, z)
    else:
        sigma = smallest_singular_values_triangular(triangle, z)
    return Pseudospectrum(x, y, sigma.reshape(-1, len(x))[row], triangle.diagonal().copy())
