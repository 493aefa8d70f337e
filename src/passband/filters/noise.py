"""What mini-batch noise does to a mode: stationary variance, and stability in mean square."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy import ndarray
from numpy.polynomial import hermite_e

from passband._shapes import Float
from passband.filters.cycle import Cycle, Stage, after, composed
from passband.filters.roots import LARGEST_DEGREE, real_roots

_ROUNDING = 1e-14  # of a radius: closer to one, a mode forgets nothing
_MOST_STATES = 6  # for an algebraic mean-square edge: 21 moments
_MOST_STATES_ON_A_GRID = 16


def stationary_variance(cycle: Cycle, lam: Float[ndarray, "*batch"]) -> Float[ndarray, "*batch"]:
    """Return the variance of the weights under unit gradient noise, averaged over the steps.

    Every batch adds an independent error of variance one to its gradients, and stages that share
    a batch share the error: ``Σ ← M Σ Mᵀ + n nᵀ``. Infinite where no variance is stationary.
    """
    E = cycle.change(lam)
    finite = np.isfinite(E).all(axis=(-2, -1))
    radius = np.full(lam.shape, math.inf)
    radius[finite] = np.abs(1 + np.linalg.eigvals(E[finite])).max(axis=-1)
    stable = radius < 1 - _ROUNDING
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

    Up to six states it is the first root of a polynomial; beyond, the first change on a fine grid.

    Args:
        cycle: One period, polynomial in λ.
        ratio: Standard deviation over mean of the curvature of a batch; batches are Gaussian.
        edge: The deterministic edge, which is never below.
    """
    size = len(cycle.slots)
    shrink, restore = _symmetric_coordinates(size)

    def change(lam: ndarray) -> ndarray:
        return shrink @ _second_moment_change(cycle, lam, ratio) @ restore

    def stays(lam: float) -> bool:
        return bool(np.abs(1 + np.linalg.eigvals(change(np.array([lam]))[0])).max() <= 1)

    with np.errstate(all="ignore"):
        if size > _MOST_STATES:
            return _first_change(stays, edge) if size <= _MOST_STATES_ON_A_GRID else math.nan
        degree = min(max(cycle.degree, 1) * (size + 1), LARGEST_DEGREE)
        condition: Callable[[ndarray], ndarray] = lambda lam: np.linalg.det(-change(lam))  # noqa: E731
        roots = real_roots(condition, degree=degree, scale=edge, only="below") or []
        last = 0.0
        for root in [*(r for r in roots if r < edge), edge]:
            if not stays((last + root) / 2):
                return last
            last = root
    return last


def _first_change(stays: Callable[[float], bool], edge: float) -> float:
    """Return where a property that holds near zero is first lost, by a grid and bisection."""
    grid = edge * np.arange(201) / 200
    first = next((i for i in range(1, 201) if not stays(grid[i])), None)
    if first is None:
        return edge
    inside, outside = float(grid[first - 1]), float(grid[first])
    while outside - inside > 1e-13 * outside:
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if stays(middle) else (inside, middle)
    return inside


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
