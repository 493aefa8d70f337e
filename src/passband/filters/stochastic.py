"""Small batches with the Hessian of every sample at hand: the exact edge of SGD."""

from typing import Any, Literal

import numpy as np
from numpy import ndarray

from passband._shapes import Float
from passband.filters.checks import check_choice, check_count
from passband.filters.curvature import as_curvature

_FLAT = 1e-10  # of the largest eigenvalue: flatter directions of a minimum are flat


def largest_stable_lr(hessians: Any, *, batch: int) -> float:
    r"""Return the learning rate above which SGD leaves a minimum in mean square.

    .. math::
        \alpha^* = \frac{2}{\lambda_{\max}(E^+ V)}, \quad
        E = \tfrac12 (H \otimes I + I \otimes H), \quad
        V = (1 - \pi)\, H \otimes H + \frac{\pi}{n} \sum_i H_i \otimes H_i, \quad
        \pi = \frac{n - B}{B\,(n - 1)}

    Exact for plain SGD on the quadratic of every sample, batches drawn without replacement,
    every step anew. For a full batch it is ``2 / λ_max(H)``.

    Args:
        hessians: Hessians of the n samples at the minimum, shape ``(n, d, d)``, symmetric.
        batch: Batch size ``1 ≤ B ≤ n``.

    Returns:
        The learning rate; 0 where the noise acts along a flat direction, which no step damps, and
        ``inf`` if all Hessians are zero. Cost: eigenvalues of a matrix of size ``d (d + 1) / 2``.

    Raises:
        ValueError: If the shapes do not fit or the mean Hessian has a negative eigenvalue.

    Example:
        Two samples of curvature 0 and 2, one at a time: half of the full batch.

        >>> round(largest_stable_lr([[[0.0]], [[2.0]]], batch=1), 12)
        1.0

    References:
        Mulayoff, Michaeli, *Exact mean square linear stability analysis for SGD*,
        arXiv 2306.07850.
    """
    samples = as_curvature(hessians)
    check_count(batch=batch)
    if samples.ndim != 3 or samples.shape[1] != samples.shape[2] or np.iscomplexobj(samples):
        raise ValueError(
            f"`hessians` must be real, of shape (n, d, d); got {samples.dtype}, {samples.shape}."
        )
    n = len(samples)
    if not batch <= n:
        raise ValueError(f"`batch` must be at most the {n} samples; got {batch!r}.")
    largest = float(np.abs(samples).max(initial=0.0))
    if not np.allclose(samples, np.swapaxes(samples, 1, 2), rtol=1e-6, atol=1e-8 * largest):
        raise ValueError("`hessians` must be symmetric. Take (H + Hᵀ) / 2 if that is rounding.")
    share = (n - batch) / (batch * (n - 1)) if n > 1 else 0.0
    values, vectors = np.linalg.eigh(samples.mean(axis=0))
    if values[0] < -1e-8 * largest:
        raise ValueError(
            f"the mean Hessian must be that of a minimum; its smallest eigenvalue is {values[0]:g}."
        )
    return _from_modes(vectors.T @ samples @ vectors, np.maximum(values, 0.0), share)


def _from_modes(samples: ndarray, values: ndarray, share: float) -> float:
    """Return the edge, with everything in the eigenvectors of the mean Hessian."""
    rows, columns = np.triu_indices(len(values))
    scale = np.where(rows == columns, np.sqrt(0.5), 1.0)  # orthonormal symmetric matrices
    rest = (values[rows] + values[columns]) / 2  # E is diagonal here
    second = np.zeros((len(rows), len(rows)))
    for sample in samples:
        second += _on_symmetric(sample, rows, columns)
    second = share / len(samples) * second
    second += (1 - share) * _on_symmetric(np.diag(values), rows, columns)
    second *= scale[:, None] * scale
    flat = rest <= _FLAT * values.max(initial=0.0)
    if np.abs(second[np.ix_(flat, flat)]).max(initial=0.0) > _FLAT * np.abs(second).max(
        initial=0.0
    ):
        return 0.0
    if flat.all():
        return float("inf")
    damped = second[np.ix_(~flat, ~flat)] / np.sqrt(np.outer(rest[~flat], rest[~flat]))
    return 2 / float(np.linalg.eigvalsh(damped)[-1])


def _on_symmetric(H: ndarray, rows: ndarray, columns: ndarray) -> Float[ndarray, "p p"]:
    """Return ``S ↦ H S H`` on the entries ``S_ij``, i ≤ j, symmetrized."""
    i, j = rows[:, None], columns[:, None]
    return H[i, rows] * H[j, columns] + H[i, columns] * H[j, rows]


def batch_sharpness(
    gradients: Any, products: Any, *, of: Literal["means", "ratios"] = "means"
) -> float:
    """Return the curvature that mini-batches see along their own gradients.

    ``E[gᵦᵀ Hᵦ gᵦ] / E[‖gᵦ‖²]``, or the mean of the ratios: papers differ, so say which one is
    shown. Small-batch SGD is reported to settle where it is near ``2 / α``.

    Args:
        gradients: Gradients of m batches, shape ``(m, n)``.
        products: ``Hᵦ gᵦ`` of each batch with its own Hessian, shape ``(m, n)``.
        of: ``"means"`` divides two means, ``"ratios"`` takes the mean of ratios.

    Raises:
        ValueError: If the shapes differ, a number is not finite, or a gradient is zero.

    Example:
        >>> batch_sharpness([[1.0, 0.0], [0.0, 1.0]], [[3.0, 0.0], [0.0, 5.0]])
        4.0

    References:
        Andreyev, Beneventano, *Edge of stochastic stability*, arXiv 2412.20553.
    """
    check_choice("of", of, ("means", "ratios"))
    g, hg = as_curvature(gradients), as_curvature(products)
    if g.ndim != 2 or g.shape != hg.shape or not len(g):
        raise ValueError(
            f"`gradients` and `products` must have one shape (m, n); got {g.shape}, {hg.shape}."
        )
    curved, squares = (g * hg).sum(axis=1), (g * g).sum(axis=1)
    if not (squares > 0).all():
        zero = np.flatnonzero(~(squares > 0)).tolist()
        raise ValueError(
            f"every batch needs a gradient that is not zero; of {len(g)} those at {zero} are zero. "
            "Leave them out: they have no direction to take a curvature along."
        )
    if of == "ratios":
        return float(np.mean(curved / squares))
    return float(curved.mean() / squares.mean())
