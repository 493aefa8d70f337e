"""Eigenvalues of stacks of small matrices, some of which may have overflowed."""

import math

import numpy as np
from numpy import ndarray

from passband._shapes import Complex, Float, Num


def eigenvalues(matrices: Num[ndarray, "*batch s s"]) -> Complex[ndarray, "*batch s"]:
    """Return the eigenvalues of every matrix, infinite where an entry is not finite."""
    finite = np.isfinite(matrices).all(axis=(-2, -1))
    values = np.full(matrices.shape[:-1], math.inf, dtype=np.complex128)
    values[finite] = np.linalg.eigvals(matrices[finite])
    return values


def spectral_radius(matrices: Num[ndarray, "*batch s s"]) -> Float[ndarray, "*batch"]:
    """Return the largest modulus of an eigenvalue of every matrix."""
    return np.asarray(np.abs(eigenvalues(matrices)).max(axis=-1))
