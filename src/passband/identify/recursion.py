"""The smallest linear recursion that explains trajectories, and how it depends on curvature."""

from typing import NamedTuple, final

import numpy as np
from numpy import ndarray
from numpy.polynomial import chebyshev

from passband._shapes import Float

_MAX_ORDER = 8
_MAX_DEGREE = 10
_FADED = 1e-6
_EXACT = 1e-9  # relative residual of a recursion that explains trajectories up to rounding


@final
class Recursion(NamedTuple):
    """``x[t+s] = Σⱼ aⱼ(λ) x[t+j]`` with ``aⱼ(λ) = Σᵢ coefficients[j, i] (λ / scale)ⁱ``."""

    coefficients: Float[ndarray, "s terms"]
    scale: float

    def predict(
        self, lam: Float[ndarray, " m"], start: Float[ndarray, "s m"], steps: int
    ) -> Float[ndarray, "steps m"]:
        """Continue trajectories from their first ``s`` values, for every curvature."""
        powers = (lam / self.scale) ** np.arange(self.coefficients.shape[1])[:, None]
        a = self.coefficients @ powers
        x = list(start)
        while len(x) < steps:
            x.append((a * np.stack(x[-len(a) :])).sum(axis=0))
        return np.stack(x[:steps])


def fit(lam: Float[ndarray, " k"], trajectories: Float[ndarray, "t k starts"]) -> Recursion | None:
    """Return the recursion of smallest order and degree, or None if none explains the data.

    Args:
        lam: Distinct curvatures, in ascending order.
        trajectories: Iterates, in time, for every curvature and several starts.
    """
    for order in range(1, min(_MAX_ORDER, (len(trajectories) - 2) // 2) + 1):
        rows = np.stack([_equations(trajectories[:, i], order) for i in range(len(lam))])
        found = [_solve(equations) for equations in rows]
        if max(residual for _, residual in found) > _EXACT:
            continue
        values = np.stack([a for a, _ in found])
        scale = float(np.abs(lam).max())
        for degree in range(_MAX_DEGREE + 1):
            basis = chebyshev.chebvander(lam / scale, degree)
            series, *_ = np.linalg.lstsq(basis, values, rcond=None)
            misfit = np.abs(basis @ series - values).max()
            if misfit < 1e-7 * max(1.0, np.abs(values).max()):
                powers = np.stack([_monomials(series[:, j], degree) for j in range(order)])
                return Recursion(powers, scale)
        return None
    return None


def _monomials(series: ndarray, degree: int) -> ndarray:
    powers = np.zeros(degree + 1)
    converted = chebyshev.cheb2poly(series)
    powers[: len(converted)] = converted
    return powers


def _equations(x: Float[ndarray, "t starts"], order: int) -> Float[ndarray, "e width"]:
    """Return rows ``(x[t], …, x[t+order])`` of unit length.

    Rows far below what a trajectory once was are mostly its rounding, and count less.
    """
    rows = np.lib.stride_tricks.sliding_window_view(x, order + 1, axis=0)
    size = np.linalg.norm(rows, axis=-1)
    size = np.maximum(size, _FADED * np.maximum.accumulate(size, axis=0))
    return (rows / np.where(size > 0, size, 1.0)[..., None]).reshape(-1, order + 1)


def _solve(rows: ndarray) -> tuple[ndarray, float]:
    """Return the recursion's coefficients by least squares, and the largest residual."""
    a, *_ = np.linalg.lstsq(rows[:, :-1], rows[:, -1], rcond=1e-13)
    return a, float(np.abs(rows[:, :-1] @ a - rows[:, -1]).max())
