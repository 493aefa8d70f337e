"""The ratio of step sizes of two coupled systems that serves best."""

import math
from typing import Any, Literal, NamedTuple

import numpy as np

from passband._shapes import Num
from passband.transients.blocks.checks import check_ratio
from passband.transients.blocks.closed_form import Margins, kreiss_of, noise_of
from passband.transients.blocks.norms import steps_of
from passband.transients.dense.matrices import as_matrix

Aim = Literal["steps", "noise"]

_SLOWEST = 1e-4
_SCAN = 60  # factors tried, three times over, closer and closer


class Choice(NamedTuple):
    """A factor of the driven block's step size, and what it costs."""

    tau: float
    cost: float


def best_ratio_of(
    margins: Margins,
    *,
    minimize: Aim,
    eps: float,
    max_kreiss: float,
    limits: tuple[float, float] | None,
) -> Choice:
    """Return the factor within limits of least cost, at most ``max_kreiss``."""
    low, high = limits or (_SLOWEST, 1 / margins.beta if margins.beta > 0 else 1.0)
    if not 0 < low < high < math.inf:
        raise ValueError(f"`limits` must be two ascending positive factors; got {limits!r}.")
    check_ratio(high, beta=margins.beta, name="limits[1]")
    if not max_kreiss >= 1:
        raise ValueError(f"`max_kreiss` must be at least 1; got {max_kreiss!r}.")
    if minimize not in ("steps", "noise"):
        raise ValueError(f'`minimize` must be "steps" or "noise"; got {minimize!r}.')

    def cost(tau: float) -> float:
        there = margins.at_ratio(tau)
        if not (there.eigenmargins[0] > 0 and kreiss_of(there) <= max_kreiss):
            return math.inf
        return steps_of(there, eps) if minimize == "steps" else noise_of(there, 1.0, tau)

    best = Choice(low, math.inf)
    for _ in range(3):
        taus = np.geomspace(low, high, _SCAN).tolist()
        costs = [cost(tau) for tau in taus]
        i = int(np.argmin(costs))
        best = Choice(taus[i], costs[i])
        low, high = taus[max(i - 1, 0)], taus[min(i + 1, _SCAN - 1)]
    if math.isinf(best.cost):
        raise ValueError(
            f"no factor within `limits` is stable with a Kreiss constant up to {max_kreiss:g}. "
            f"Raise `max_kreiss`, or weaken the feedback, now {margins.e:g}."
        )
    return best


def balanced_ratio(P: Any, Q: Any, R: Any) -> float:
    """Return the time-scale ratio that makes a zero-sum game closest to normal.

    For ``G = [[P, Q], [−Qᵀ, R]]`` and the steps ``(η, τη)`` it minimizes ``‖PQ − τQR‖_F``, the
    commutator of the symmetric and the skew part in the norm that makes the coupling skew:
    ``τ = ⟨PQ, QR⟩ / ‖QR‖²``. It reduces transients and does not stabilize by itself.

    Args:
        P: Curvature of the first player, shape ``(n, n)``.
        Q: Coupling, shape ``(n, m)``.
        R: Curvature of the second player, shape ``(m, m)``.

    Raises:
        TypeError: If one is not a matrix of numbers.
        ValueError: If one is not finite, their shapes do not fit, or ``Q R`` is zero.

    Example:
        For multiples of the identity it is the ratio of the curvatures.

        >>> balanced_ratio([[0.02]], [[3.0]], [[0.5]])
        0.04
    """
    p, q, r = as_matrix(P, name="P"), as_matrix(Q, name="Q"), as_matrix(R, name="R")
    if p.shape != (len(q), len(q)) or r.shape != (q.shape[1], q.shape[1]):
        raise ValueError(
            "`P`, `Q` and `R` must have shapes (n, n), (n, m) and (m, m); "
            f"got {p.shape}, {q.shape} and {r.shape}."
        )
    first, second = p @ q, q @ r
    size = _inner(second, second)
    if size == 0:
        raise ValueError("`Q R` is zero: the players do not meet, and no ratio is better.")
    return _inner(second, first) / size


def _inner(first: Num[np.ndarray, "n m"], second: Num[np.ndarray, "n m"]) -> float:
    return float(np.real(np.vdot(first, second)))
