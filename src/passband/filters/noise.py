"""What mini-batch noise does to a mode: stationary variance, and stability in mean square."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy import ndarray
from numpy.polynomial import hermite_e

from passband._shapes import Float
from passband.filters.cycle import Cycle, Stage, after, composed
from passband.filters.eigenvalues import eigenvalues
from passband.filters.roots import real_roots

_ROUNDING = 1e-14  # of a radius: closer to one, a mode forgets nothing
_MOST_STATES = 12
_LARGEST_DEGREE = 24
_GROWING = 1e-13  # over one, for a radius: rounding of `eigvals`


def stationary_variance(cycle: Cycle, lam: Float[ndarray, "*batch"]) -> Float[ndarray, "*batch"]:
    """Return the variance of the weights under unit gradient noise, averaged over the steps.

    Every batch adds an independent error of variance one to its gradients, and stages that share
    a batch share the error: ``Σ ← M Σ Mᵀ + n nᵀ``. Infinite where no variance is stationary.
    """
    E = cycle.change(lam)
    stable = np.abs(1 + eigenvalues(E)).max(axis=-1) < 1 - _ROUNDING
    forgets, lam = -_kron_change(E[stable]), lam[stable]
    size = E.shape[-1]
    steps = [(_noise_gain(batch, lam, size), n) for batch, n in cycle.batches]

    covariance = np.zeros((len(lam), size, size))
    for step, repetitions in steps:
        for _ in range(repetitions):
            covariance = _after_step(covariance, *step)
    covariance = np.linalg.solve(forgets, covariance.reshape(-1, size**2, 1))
    covariance = covariance.reshape(-1, size, size)
    total = np.zeros(len(lam))
    for step, repetitions in steps:
        for _ in range(repetitions):
            covariance = _after_step(covariance, *step)
            total += cycle.weights @ covariance @ cycle.weights
    variance = np.full(E.shape[:-2], math.inf)
    variance[stable] = total / sum(repetitions for _, repetitions in steps)
    return variance


def _after_step(covariance: ndarray, change: ndarray, gain: ndarray) -> ndarray:
    """Return ``M Σ Mᵀ + n nᵀ``."""
    moved = covariance + change @ covariance
    moved = moved + moved @ _transposed(change)
    return moved + gain[..., :, None] * gain[..., None, :]


def mean_square_edge(cycle: Cycle, *, ratio: float, edge: float) -> float:
    """Return the first λ > 0 at which the second moment of the mode grows.

    It is the first root of a polynomial, up to degree 24; beyond, the first change on a grid of
    800 curvatures, which could pass over a narrow one.

    Args:
        cycle: One period, polynomial in λ.
        ratio: Standard deviation over mean of the curvature of a batch; batches are Gaussian.
        edge: The deterministic edge, which is never below.
    """
    size = len(cycle.slots)
    if size > _MOST_STATES:
        return math.nan
    shrink, restore = _symmetric_coordinates(size)

    def change(lam: ndarray) -> ndarray:
        return shrink @ _second_moment_change(cycle, lam, ratio) @ restore

    def condition(lam: ndarray) -> ndarray:
        return np.linalg.det(-change(lam))

    def grows(lam: ndarray) -> ndarray:
        return np.abs(1 + eigenvalues(change(lam))).max(axis=-1) > 1 + _GROWING

    with np.errstate(all="ignore"):
        degree = max(cycle.degree, 1) * (size + 1)
        if degree > _LARGEST_DEGREE:
            logarithmic = np.geomspace(1e-12, 1, 401) * edge
            grid = np.union1d(logarithmic, np.linspace(0, 1, 401)[1:] * edge)
            return _first_change(grows, grid)
        roots = real_roots(condition, degree=degree, scale=edge, only="below") or []
        ends = np.array([0.0, *(root for root in roots if root < edge), edge])
        return float(ends[:-1][grows((ends[1:] + ends[:-1]) / 2)].min(initial=edge))


def _first_change(grows: Callable[[ndarray], ndarray], grid: ndarray) -> float:
    """Return where a property first appears, by a grid and bisection."""
    found = np.flatnonzero(grows(grid))
    if not len(found):
        return float(grid[-1])
    inside, outside = (grid[found[0] - 1] if found[0] else 0.0), grid[found[0]]
    while inside < (middle := (inside + outside) / 2) < outside:
        inside, outside = (inside, middle) if grows(np.array([middle]))[0] else (middle, outside)
    return float(inside)


def _noise_gain(batch: Sequence[Stage], lam: ndarray, size: int) -> tuple[ndarray, ndarray]:
    """Return ``M − I`` over a batch, and what a unit error of its gradients does to the state."""
    gain = np.zeros((*lam.shape, size))
    for stage in batch:
        change = stage.change(lam)
        gain = gain + (change @ gain[..., None])[..., 0]
        if stage.takes_gradient:
            gain = gain + np.asarray(stage.response.sensitivity(lam))[..., None] * stage.loop.b
    return composed([(stage.change(lam), 1) for stage in batch], then=after), gain


def _second_moment_change(cycle: Cycle, lam: ndarray, ratio: float) -> ndarray:
    """Return ``E[M ⊗ M] − I`` for Gaussian batch curvatures, exact for polynomials."""
    steps: list[tuple[ndarray, int]] = []
    for batch, repetitions in cycle.batches:
        nodes, weights = hermite_e.hermegauss(sum(stage.degree for stage in batch) + 1)
        curvatures = lam[:, None] * (1 + ratio * nodes)
        if len(batch) == 1:  # two moments of h are enough
            h = np.asarray(batch[0].response(curvatures))
            mean = h @ weights / weights.sum()
            spread = (h - mean[:, None]) ** 2 @ weights / weights.sum()
            loop = batch[0].loop
            noise = np.outer(np.kron(loop.b, loop.b), np.kron(loop.c, loop.c))
            moments = _kron_change(loop.change(mean)) + spread[:, None, None] * noise
            steps.append((moments, repetitions))
            continue
        changes = composed([(stage.change(curvatures), 1) for stage in batch], then=after)
        moments = np.einsum("kn...,n->k...", _kron_change(changes), weights / weights.sum())
        steps.append((moments, repetitions))
    return composed(steps, then=after)


def _kron_change(E: ndarray) -> ndarray:
    """Return ``(I + E) ⊗ (I + E) − I`` without cancellation."""
    size, one = E.shape[-1], np.eye(E.shape[-1])
    blocks = (
        E[..., :, None, :, None] * one[:, None, :]
        + one[:, None, :, None] * E[..., None, :, None, :]
        + E[..., :, None, :, None] * E[..., None, :, None, :]
    )
    return blocks.reshape(*E.shape[:-2], size**2, size**2)


def _symmetric_coordinates(size: int) -> tuple[ndarray, ndarray]:
    """Return the matrices from all second moments to the distinct ones, and back."""
    pairs = [(i, j) for i in range(size) for j in range(i, size)]
    shrink, restore = np.zeros((len(pairs), size**2)), np.zeros((size**2, len(pairs)))
    for row, (i, j) in enumerate(pairs):
        shrink[row, i * size + j] = 1
        restore[[i * size + j, j * size + i], row] = 1
    return shrink, restore


def _transposed(matrices: ndarray) -> ndarray:
    return np.swapaxes(matrices, -1, -2)
