"""Matrices far from normal, and their Kreiss function by definition."""

import math

import numpy as np
import scipy.optimize
from numpy import ndarray


def jordan(n: int, value: float) -> ndarray:
    return value * np.eye(n) + np.diag(np.ones(n - 1), -1)


def stable(seed: int, n: int, *, real: bool = True, radius: float | None = None) -> ndarray:
    """A matrix that is far from normal, of spectral radius below one."""
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((n, n)) + (0 if real else 1j) * rng.standard_normal((n, n))
    values = rng.uniform(0.2, 1, n)
    triangle = np.triu(matrix * rng.uniform(0, 2), 1) + np.diag(values / values.max())
    basis = np.linalg.qr(matrix)[0]
    size = rng.uniform(0.3, 0.98) if radius is None else radius
    return size * basis @ triangle @ basis.conj().T


def kreiss_function(A: ndarray, z: complex, *, flow: bool = False) -> float:
    distance = z.real if flow else abs(z) - 1
    return float(distance / np.linalg.svd(z * np.eye(len(A)) - A, compute_uv=False)[-1])


def best_found(A: ndarray, *, flow: bool = False) -> float:
    """The Kreiss function climbed by a general optimizer from many points: a lower bound."""

    def height(point: ndarray) -> float:
        x, t = math.exp(point[0]), point[1]
        z = complex(x, t) if flow else (1 + x) * complex(math.cos(t), math.sin(t))
        return -kreiss_function(A, z, flow=flow)

    angles = np.angle(np.linalg.eigvals(A)) if not flow else np.imag(np.linalg.eigvals(A))
    starts = [(x, t) for x in (-6.0, -3.0, -1.0, 1.0) for t in [*angles, 0.0]]
    climbs = [scipy.optimize.minimize(height, start, method="BFGS") for start in starts]
    return max(1.0, *(-climb.fun for climb in climbs))
