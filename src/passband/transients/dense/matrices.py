"""The front door: what a matrix and a notion of time must be, checked once."""

import math
import sys
from typing import Any, Literal, get_args

import numpy as np
from numpy import ndarray

from passband._shapes import Float, Num

Time = Literal["discrete", "continuous"]
"""``"discrete"``: the iteration ``x ← A x``; ``"continuous"``: the flow ``x' = A x``."""

ROUNDING = float(np.finfo(np.float64).eps)

_LARGE = 64  # from here on the Gram matrix is the faster way to a norm


def as_matrix(value: Any, *, name: str = "A") -> Num[ndarray, "m n"]:
    """Return a finite matrix as a new float64 or complex128 array; tensors are welcome."""
    if hasattr(value, "detach"):
        torch = sys.modules["torch"]
        wide = torch.complex128 if value.is_complex() else torch.float64
        value = value.detach().cpu().to(dtype=wide).resolve_conj().resolve_neg().numpy()
    if hasattr(value, "toarray"):  # sparse matrices
        value = value.toarray()
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"`{name}` must be a matrix; got {_brief(value)}.") from error
    if array.dtype.kind not in "biufc":
        written = f" Write it out: `{name}.dense()`." if hasattr(value, "dense") else ""
        raise TypeError(f"`{name}` must be a matrix of numbers; got {_brief(value)}.{written}")
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"`{name}` must be a matrix with at least one row; got shape {array.shape}."
        )
    array = array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)
    if not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise ValueError(
            f"`{name}` must be finite; {bad} of its {array.size} entries are NaN or infinite. "
            "Look at the point at which it was linearized."
        )
    return array


def as_square(value: Any, *, name: str = "A") -> Num[ndarray, "n n"]:
    """Return a finite square matrix as a new float64 or complex128 array, real if it can be."""
    array = as_matrix(value, name=name)
    if array.shape[0] != array.shape[1]:
        raise ValueError(f"`{name}` must be square; got shape {array.shape}.")
    return array if np.imag(array).any() else np.real(array).copy()


def as_axis(values: Any, *, name: str) -> Float[ndarray, " n"]:
    """Return a finite line of real numbers as a new float64 array."""
    axis = np.asarray(values)
    if axis.ndim != 1 or axis.size == 0 or axis.dtype.kind not in "fiub":
        raise ValueError(f"`{name}` must be a line of real numbers; got {_brief(values)}.")
    axis = axis.astype(np.float64)
    if not np.isfinite(axis).all():
        raise ValueError(f"`{name}` must be finite; got {_brief(values)}.")
    return axis


def check_time(time: str) -> None:
    """Raise unless ``time`` is a known notion of time."""
    if time not in get_args(Time):
        raise ValueError(f'`time` must be "discrete" or "continuous"; got {time!r}.')


def check_level(eps: Any) -> None:
    """Raise unless ``eps`` can be the level of a pseudospectrum."""
    if not (isinstance(eps, int | float | np.floating) and 0 <= eps < math.inf):
        raise ValueError(f"`eps` must be zero or positive, and finite; got {eps!r}.")


def norm(A: Num[ndarray, "m n"]) -> float:
    """Return the spectral norm; fast for large matrices."""
    scale = float(np.abs(A).max())
    if scale == 0 or not math.isfinite(scale):
        return scale
    if min(A.shape) <= _LARGE:
        return float(np.linalg.norm(A, 2))
    unit = A / scale
    gram = unit @ unit.conj().T if A.shape[0] <= A.shape[1] else unit.conj().T @ unit
    return scale * math.sqrt(float(np.linalg.eigvalsh(gram)[-1]))


def spectral_radius(A: Num[ndarray, "n n"]) -> float:
    """Return the largest modulus of an eigenvalue."""
    return float(np.abs(np.linalg.eigvals(A)).max())


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
