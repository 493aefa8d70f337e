"""What a filter does to a quadratic, step by step."""

import numpy as np
from numpy import ndarray

from passband._shapes import Float
from passband.filters import Filter

_SETTLED = 400
_HUGE = 1e12


def at_rest(filter: Filter) -> Float[ndarray, " s"]:
    """Return the state of an optimizer that has stood at distance 1 for long.

    Without curvature nothing moves the weights, and memories come to agree with them.

    Example:
        >>> from passband.filters import SGD
        >>> at_rest(SGD(lr=0.1, momentum=0.9))
        array([1., 0.])
    """
    M = np.atleast_2d(filter.transition(0.0))
    state = np.ones(len(M))
    for _ in range(_SETTLED):
        state = M @ state
        state = state / np.abs(state).max()
    if abs(state[0]) < 1e-9:
        state = np.eye(len(M))[0]
    state = state / state[0]
    return np.where(np.abs(state) < 1e-9, 0.0, state)


def losses(filter: Filter, curvatures: Float[ndarray, " n"], *, steps: int) -> Float[ndarray, " k"]:
    """Return the loss ``½ Σ λᵢ xᵢ²`` after 0, 1, …, ``steps`` steps, each mode from distance 1.

    Capped at 1e12 times the first, where it diverges.
    """
    M = filter.transition(curvatures)
    state = np.tile(at_rest(filter), (len(curvatures), 1))
    out = np.empty(steps + 1)
    for k in range(steps + 1):
        out[k] = 0.5 * float(np.abs(curvatures) @ state[:, 0] ** 2)
        if not out[k] <= _HUGE * out[0]:
            out[k:] = _HUGE * out[0]
            break
        state = np.einsum("nij,nj->ni", M, state)
    return out


def norms_of_powers(filter: Filter, lam: float, *, steps: int) -> Float[ndarray, " k"]:
    """Return ``‖Mᵏ‖`` for k = 0, …, ``steps`` at one curvature, the state in displacements."""
    M = filter.in_displacements(lam)
    out, power = np.empty(steps + 1), np.eye(len(M))
    for k in range(steps + 1):
        out[k] = np.linalg.norm(power, 2)
        if not out[k] <= _HUGE:
            out[k:] = _HUGE
            break
        power = M @ power
    return out
