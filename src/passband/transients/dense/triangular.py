"""Smallest singular values of ``zI − T``, T triangular, for many shifts z at once.

Inverse Lanczos: the largest eigenvalue of ``(Z*Z)⁻¹``, ``Z = zI − T``, by the Lanczos process,
two triangular solves a step. All shifts share T, so the solves are done for all of them
together, block by block: matrix products instead of one memory-bound solve for each shift.

References:
    Trefethen, *Computation of pseudospectra*, Acta Numerica 8, 1999, section 4 (core EigTool).
"""

import numpy as np
from numpy import ndarray

from passband._shapes import Complex, Float
from passband.transients.dense.matrices import ROUNDING

_BLOCK = 32
_STEPS = 80
_BATCH = 2**25  # bytes of one block of vectors


def smallest_singular_values_triangular(
    T: Complex[ndarray, "n n"], z: Complex[ndarray, " k"], *, rtol: float = 1e-10
) -> Float[ndarray, " k"]:
    """Return the smallest singular value of ``zI − T`` for every z.

    Args:
        T: Upper triangular, as from a complex Schur decomposition.
        z: Shifts.
        rtol: Relative accuracy at which the iteration stops. The values come from above.
    """
    batch = max(1, _BATCH // (16 * len(T)))
    parts = [_inverse_lanczos(T, z[i : i + batch], rtol=rtol) for i in range(0, len(z), batch)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _inverse_lanczos(
    T: Complex[ndarray, "n n"], z: Complex[ndarray, " k"], *, rtol: float
) -> Float[ndarray, " k"]:
    n, shifts = len(T), len(z)
    adjoint = np.ascontiguousarray(T.conj().T)
    tiny = ROUNDING * max(float(np.abs(T).max()), 1e-300)
    noise = ROUNDING * float(np.linalg.norm(T))
    pivots = z[None, :] - T.diagonal()[:, None]
    pivots = 1 / np.where(np.abs(pivots) < tiny, tiny, pivots)

    start = np.random.default_rng(0).standard_normal((2, n, 1))
    q = np.repeat(start[0] + 1j * start[1], shifts, axis=1)
    q /= np.linalg.norm(q, axis=0)
    previous, beta = np.zeros_like(q), np.zeros(shifts)
    alphas, betas = np.zeros((shifts, _STEPS)), np.zeros((shifts, _STEPS))
    sigma, active = np.zeros(shifts), np.arange(shifts)
    for step in range(1, _STEPS + 1):
        w = _solve_upper(T, pivots, _solve_lower(adjoint, pivots.conj(), q))
        w -= beta * previous
        alpha = np.einsum("nk,nk->k", q.conj(), w).real
        w -= alpha * q
        beta = np.linalg.norm(w, axis=0)
        alphas[active, step - 1], betas[active, step - 1] = alpha, beta
        last = step in (_STEPS, n)
        if step % 2 == 0 or step < 3 or last:
            ritz, error = _largest_ritz(alphas[active, :step], betas[active, :step])
            sigma[active] = 1 / np.sqrt(ritz)
            going = (error > 2 * rtol * ritz) & (sigma[active] > noise)
            if last or not going.any():
                break
            if not going.all():
                active, pivots, beta = active[going], pivots[:, going], beta[going]
                q, w = q[:, going], w[:, going]
        previous, q = q, w / np.maximum(beta, 1e-300)
    return sigma


def _largest_ritz(
    alphas: Float[ndarray, "k s"], betas: Float[ndarray, "k s"]
) -> tuple[Float[ndarray, " k"], Float[ndarray, " k"]]:
    """Return the largest Ritz values, and how far below the eigenvalues they may be."""
    steps = alphas.shape[1]
    i = np.arange(steps)
    tridiagonal = np.zeros((*alphas.shape, steps))
    tridiagonal[:, i, i] = alphas
    tridiagonal[:, i[1:], i[:-1]] = betas[:, :-1]  # `eigh` reads the lower half
    values, vectors = np.linalg.eigh(tridiagonal)
    residual = betas[:, -1] * np.abs(vectors[:, -1, -1])
    if steps == 1:
        return values[:, -1], residual
    gap = np.maximum(values[:, -1] - values[:, -2], residual)
    return values[:, -1], residual**2 / np.maximum(gap, 1e-300)


def _solve_upper(
    T: Complex[ndarray, "n n"], inverse_pivots: Complex[ndarray, "n k"], b: Complex[ndarray, "n k"]
) -> Complex[ndarray, "n k"]:
    """Return the solutions x of ``(z I − T) x = b``, one column for each shift."""
    x = b.copy()
    for low in reversed(range(0, len(T), _BLOCK)):
        high = min(low + _BLOCK, len(T))
        x[low:high] += T[low:high, high:] @ x[high:]
        for i in reversed(range(low, high)):
            x[i] += T[i, i + 1 : high] @ x[i + 1 : high]
            x[i] *= inverse_pivots[i]
    return x


def _solve_lower(
    T: Complex[ndarray, "n n"], inverse_pivots: Complex[ndarray, "n k"], b: Complex[ndarray, "n k"]
) -> Complex[ndarray, "n k"]:
    """Return the solutions x of ``(z̄ I − T*) x = b``; T is the lower triangle already."""
    x = b.copy()
    for low in range(0, len(T), _BLOCK):
        high = min(low + _BLOCK, len(T))
        x[low:high] += T[low:high, :low] @ x[:low]
        for i in range(low, high):
            x[i] += T[i, low:i] @ x[low:i]
            x[i] *= inverse_pivots[i]
    return x
