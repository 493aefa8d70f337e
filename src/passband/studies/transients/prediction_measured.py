"""The measurement of `passband.studies.transients.prediction`: an equilibrium, moved."""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
import torch
from numpy import ndarray
from torch import Tensor
from torch.utils import _pytree as pytree

from passband._shapes import Float
from passband.operators import MatrixOperator, UpdateJacobian
from passband.studies.record import Measurement
from passband.studies.transients.equilibrium import equilibrium, flat
from passband.studies.transients.prediction import TOLERANCE, PredictionRun
from passband.studies.transients.systems import problem
from passband.transients.coupled import Update, placed, with_ratio
from passband.transients.matrix_free import transient

SETTLED = 1e-3
_BACKGROUND = 1e-4  # size of the perturbations that are to be small, relative to ‖s‖
_SIZES = tuple(np.geomspace(1e-2, 3.0, 10).tolist())
_POINTS = 400  # of a curve that is kept
_SCALES = (1e-3, 1.0)
_SLACK = 8


def measure(run: PredictionRun) -> Measurement:
    """Do a `PredictionRun`."""
    made = problem(run.system, rates=run.rates, images=run.images, side=run.side, seed=run.seed)
    found = equilibrium(made, steps=run.steps, together=run.together)
    base = {"trained": found.trained, "movement": found.movement, "corrected": found.corrected}
    if not found.movement < 1e-9:
        return Measurement(metrics=base, notes=(_UNFOUND,))
    players = placed(made.players, found.update.state)
    driven = list(players)[1]
    update = made.update(with_ratio(players, driven, run.ratio))
    scale = 1.0
    if run.like:
        target = _radius(_dense(made.update(with_ratio(players, driven, run.like))))
        scale = _scale(_dense(update), target)
        slower = {n: replace(p, lr=scale * p.lr) for n, p in players.items()}
        update = made.update(with_ratio(slower, driven, run.ratio))
    J = update.jacobian()
    matrix = J.dense()
    A = matrix.numpy()
    # beyond 64 entries by products, as at any size; those of the matrix are cheaper here
    predicted = transient(MatrixOperator(matrix), parts=J.parts, seed=run.seed)
    base |= {
        "scale": scale,
        "size": float(J.size),
        "radius": _radius(A),
        "radius, by products": predicted.radius,
        "radius error": predicted.radius_error,
        "peak": predicted.peak,
        "peak error": predicted.peak_error,
        "peak step": float(predicted.step),
        "peak of the matrix": _largest_power(A, near=predicted.step),
        "settling": predicted.settling,
        "Kreiss lower": predicted.kreiss.lower,
        "Kreiss upper": predicted.kreiss.upper,
        "products": float(predicted.products),
    }
    if not base["radius"] < 1:
        return Measurement(metrics=base, notes=("The equilibrium is unstable at these rates.",))
    base |= {f"start in {share.name}": share.start for share in predicted.parts}
    base |= {f"peak in {share.name}": share.peak for share in predicted.parts}
    watched = _watched(run, _Follower(update, J, flat(update.state)), predicted, A)
    return replace(watched, metrics=base | dict(watched.metrics))


_UNFOUND = (
    "No equilibrium was found: training had not settled, and Newton's method did not converge."
)


class _Follower(NamedTuple):
    """The real step around its equilibrium."""

    update: Update
    J: UpdateJacobian
    rest: Float[Tensor, " n"]

    def norms(self, v: Float[Tensor, " n"], steps: int, *, until: float = 0.0) -> list[float]:
        """Return ``‖s_k − s‖ / ‖v‖`` for k = 0, 1, …, from the equilibrium moved by v."""
        added: Any = self.J.as_state(v)
        state = pytree.tree_map(torch.add, self.update.state, added)
        size, norms = float(torch.linalg.vector_norm(v)), [1.0]
        for _ in range(steps):
            state = pytree.tree_map(torch.Tensor.detach, self.update.step(state))
            norms.append(float(torch.linalg.vector_norm(flat(state) - self.rest)) / size)
            if not norms[-1] > until or not norms[-1] < 1e9:
                break
        return norms


def _watched(
    run: PredictionRun, follower: _Follower, predicted: Any, A: Float[ndarray, "n n"]
) -> Measurement:
    """Return what the real training does with perturbations, beside what J says."""
    size = float(torch.linalg.vector_norm(follower.rest))
    v = predicted.direction
    small = _BACKGROUND * size * v
    measured = follower.norms(small, run.longest, until=SETTLED)
    linear = _powers(A, v.double().numpy(), run.longest)
    horizon = 2 * predicted.step + _SLACK
    generator = torch.Generator().manual_seed(run.seed)
    drawn: list[list[float]] = []
    for _ in range(run.directions):
        z = torch.randn(len(v), generator=generator, dtype=v.dtype)
        unit = z / torch.linalg.vector_norm(z)
        drawn.append(follower.norms(_BACKGROUND * size * unit, horizon))
    metrics = {
        "size of the state": size,
        "measured peak": max(measured),
        "measured step": float(np.argmax(measured)),
        "measured settling": _settled(measured),
        "linear settling": _settled(linear),
        "largest random": max(max(curve) for curve in drawn),
        "median random": float(np.median([max(curve) for curve in drawn])),
    }
    reach = predicted.step + predicted.step // 4 + _SLACK
    heights = [
        max(
            (max(follower.norms(sign * s * size * v, reach)) for sign in (1.0, -1.0)),
            key=lambda height: abs(height / predicted.peak - 1),
        )
        for s in _SIZES
    ]
    off = [s for s, h in zip(_SIZES, heights, strict=True) if not _near(h, predicted.peak)]
    metrics["trust"] = min(off, default=math.inf)
    metrics["bound of trust"] = predicted.trust
    length = max(len(measured), 2)
    kept = np.unique(np.round(np.linspace(0, length - 1, min(_POINTS, length))).astype(int))
    columns = {
        "step": kept.astype(np.float64),
        "measured": _at(measured, kept),
        "linear": _at(linear, kept),
        "envelope": _at(predicted.curve.tolist(), kept),
        "random": _at(np.max([_pad(curve, horizon + 1) for curve in drawn], axis=0), kept),
    }
    rows = max(len(kept), len(_SIZES))
    columns |= {"relative size": np.array(_SIZES), "height": np.array(heights)}
    return Measurement(
        metrics=metrics,
        series={name: tuple(_pad(column, rows)) for name, column in columns.items()},
    )


def _near(value: float, expected: float) -> bool:
    return abs(value / expected - 1) <= TOLERANCE


def _settled(norms: list[float]) -> float:
    """Return the first step from which on the norms are small; NaN if they are not, at the end."""
    above = [k for k, value in enumerate(norms) if not value <= SETTLED]
    after = above[-1] + 1 if above else 0
    return float(after) if after < len(norms) else math.nan


def _powers(A: Float[ndarray, "n n"], v: Float[ndarray, " n"], steps: int) -> list[float]:
    norms, x = [1.0], v
    for _ in range(steps):
        x = A @ x
        norms.append(float(np.linalg.norm(x)))
        if not norms[-1] > SETTLED:
            break
    return norms


def _at(values: Any, places: ndarray) -> Float[ndarray, " k"]:
    """Return values at places, NaN beyond the last."""
    array = np.asarray(values, dtype=np.float64)
    inside = np.minimum(places, len(array) - 1)
    return np.where(places < len(array), array[inside], np.nan)


def _pad(values: Any, length: int) -> Float[ndarray, " k"]:
    array = np.full(length, np.nan)
    array[: len(values)] = values
    return array


def _dense(update: Update) -> Float[ndarray, "n n"]:
    return update.jacobian(check=False).dense().numpy()


def _radius(A: Float[ndarray, "n n"]) -> float:
    return float(np.abs(np.linalg.eigvals(A)).max())


def _largest_power(A: Float[ndarray, "n n"], *, near: int) -> float:
    """Return the largest ``‖Aᵏ‖`` of many k, close to one and everywhere else by octaves."""
    octaves = np.geomspace(1, 8 * near + 16, 40)
    close = near + np.array([-10, -5, -2, -1, 0, 1, 2, 5, 10])
    steps = np.unique(np.round(np.concatenate([octaves, close[close > 0]])).astype(int))
    power, reached, largest = np.eye(len(A)), 0, 1.0
    for step in steps.tolist():
        power = np.linalg.matrix_power(A, step - reached) @ power
        reached = step
        top = float(np.linalg.eigvalsh(power @ power.T)[-1])
        largest = max(largest, math.sqrt(max(top, 0.0)))
    return largest


def _scale(A: Float[ndarray, "n n"], target: float) -> float:
    """Return the factor of both rates that gives a radius, without a new equilibrium."""
    moves = 1 - np.linalg.eigvals(A)  # of simultaneous descent: proportional to the rates

    def excess(log: float) -> float:
        return float(np.abs(1 - math.exp(log) * moves).max()) - target

    low, high = map(math.log, _SCALES)
    if excess(high) > 0 or excess(low) < 0:
        return 1.0
    root: Any = scipy.optimize.brentq(excess, low, high, xtol=1e-12)
    return math.exp(root)
