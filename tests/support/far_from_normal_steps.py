"""Steps far from normal, and their transient from products alone."""

from typing import Any

import numpy as np
import torch
from numpy import ndarray

from passband.operators import MatrixOperator
from passband.transients.matrix_free import Transient, transient

RTOL = 0.01


def far_from_normal(n: int) -> ndarray:
    rng = np.random.default_rng(2)
    A = 1.5 * np.triu(rng.standard_normal((n, n))) / np.sqrt(n)
    A[np.diag_indices(n)] = rng.uniform(-1, 1, n)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    return 0.93 * (Q @ A @ Q.T) / np.abs(np.diag(A)).max()


def swept(A: ndarray, **options: Any) -> Transient:
    return transient(MatrixOperator(torch.from_numpy(A)), dense=False, **options)
