"""Smallest singular values of ``zI − A`` for many z: the levels of the pseudospectrum."""

import numpy as np
from numpy import ndarray

from passband._shapes import Complex, Float, Num

_BATCH = 2**25  # bytes of one stack of matrices


def smallest_singular_values(
    A: Num[ndarray, "n n"], z: Complex[ndarray, " k"]
) -> Float[ndarray, " k"]:
    """Return the smallest singular value of ``zI − A`` for every z, by full decompositions."""
    batch = max(1, _BATCH // (16 * A.size))
    identity = np.eye(len(A))
    parts = [
        np.linalg.svd(part[:, None, None] * identity - A, compute_uv=False)[:, -1]
        for part in np.split(z, range(batch, len(z), batch))
    ]
    return np.concatenate(parts)
