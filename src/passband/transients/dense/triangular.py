"""Smallest singular values of ``zI − T``, T triangular, for many shifts z at once.

Inverse Lanczos: the largest eigenvalue of ``(Z*Z)⁻¹``, ``Z = zI − T``, by the Lanczos process,
two triangular solves a step. All shifts share T, so the solves are done for all of them
together, half by half: matrix products instead of one memory-bound solve for each shift.

References:
    Trefethen, *Computation of pseudospectra*, Acta Numerica 8, 1999, section 4 (core EigTool).
"""

import numpy as np
from numpy import ndarray

from passband._shapes import Complex, Float
from passband.transients.dense.matrices import ROUNDING

_LEAF = 16  # rows solved one by one; larger triangles are halved
_STEPS = 80
_LOOKS = {1, 2, 3, 4, 6, 8, 10, 12, 15, 18, 22, 26, 31, 36, 42, 48, 56, 64, 72, _STEPS}
_STILL = 0.01  # a change this much below the accuracy, between two looks, is convergence too
_BATCH = 2**25  # bytes of one block of vectors


def smallest_singular_values_triangular(
    T: Complex[ndarray, "n n"], z: Complex[ndarray, " k"], *, rtol: float = 1e-9
) -> Float[ndarray, " k"]:
    """Return the smallest singular value of ``zI − T`` for every z.

    Args:
        T: Upper triangular, as from a complex Schur decomposition.
        z: Shifts.
        rtol: Relative accuracy, as estimated, at which the iteration stops; or after 80 steps,
            whatever it is then. The values come from above.
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
    conjugates = pivots.conj()

    start = np.random.default_rng(0).standard_normal((2, n, 1))
    q = np.repeat(start[0] + 1j * start[1], shifts, axis=1)
    q /= np.linalg.norm(q, axis=0)
    previous, beta = np.zeros_like(q), np.zeros(shifts)
    alphas, betas = np.zeros((shifts, _STEPS)), np.zeros((shifts, _STEPS))
    sigma, ritz, active = np.zeros(shifts), np.zeros(shifts), np.arange(shifts)
    for step in range(1, _STEPS + 1):
        w = q.copy()
        _solve_lower(adjoint, conjugates, w)
        _solve_upper(T, pivots, w)
        w -= beta * previous
        alpha = np.einsum("nk,nk->k", q.conj(), w).real
        w -= alpha * q
        beta = np.linalg.norm(w, axis=0)
        alphas[active, step - 1], betas[active, step - 1] = alpha, beta
        last = step in (_STEPS, n)
        if step in _LOOKS or last:
            before = ritz
            ritz, error = _largest_ritz(alphas[active, :step], betas[active, :step])
            sigma[active] = 1 / np.sqrt(ritz)
            going = (error > 2 * rtol * ritz) & (sigma[active] > noise)
            going &= ritz - before > _STILL * rtol * ritz
            if last or not going.any():
                break
            if not going.all():
                active, pivots, conjugates = active[going], pivots[:, going], conjugates[:, going]
                ritz, beta = ritz[going], beta[going]
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
    T: Complex[ndarray, "n n"], inverse_pivots: Complex[ndarray, "n k"], x: Complex[ndarray, "n k"]
) -> None:
    """Replace x by the solutions of ``(z I − T) y = x``, one column for each shift."""
    n = len(T)
    if n > _LEAF:
        half = n // 2
        _solve_upper(T[half:, half:], inverse_pivots[half:], x[half:])
        x[:half] += T[:half, half:] @ x[half:]
        _solve_upper(T[:half, :half], inverse_pivots[:half], x[:half])
        return
    for i in reversed(range(n)):
        x[i] += T[i, i + 1 :] @ x[i + 1 :]
        x[i] *= inverse_pivots[i]


def _solve_lower(
    T: Complex[ndarray, "n n"], inverse_pivots: Complex[ndarray, "n k"], x: Complex[ndarray, "n k"]
) -> None:
    """Replace x by the solutions of ``(z̄ I − T*) y = x``; T is the lower triangle already."""
    n = len(T)
    if n > _LEAF:
        half = n // 2
        _solve_lower(T[:half, :half], inverse_pivots[:half], x[:half])
        x[half:] += T[half:, :half] @ x[:half]
        _solve_lower(T[half:, half:], inverse_pivots[half:], x[half:])
        return
    for i in range(n):
        x[i] += T[i, :i] @ x[:i]
        x[i] *= inverse_pivots[i]
