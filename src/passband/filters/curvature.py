"""Curvatures as callers bring them: numbers, lists, arrays, tensors."""

from typing import Any

import numpy as np
from numpy import ndarray


def as_curvature(lam: Any) -> ndarray:
    """Return curvatures as a float64 or complex128 array; tensors of any device are welcome."""
    if hasattr(lam, "detach"):
        lam = lam.detach().cpu().resolve_conj().resolve_neg()
        lam = (lam.to(dtype=_wide(lam))).numpy()
    array = np.asarray(lam)
    if array.dtype == object or array.dtype.kind in "USV":
        raise TypeError(f"curvatures must be numbers; got {lam!r}.")
    array = array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)
    if not np.isfinite(array).all():
        bad = int(np.size(array) - np.isfinite(array).sum())
        raise ValueError(
            f"curvatures must be finite; got {bad} of {np.size(array)} that are NaN or infinite. "
            "Drop them first: an eigenvalue that is not finite was not computed."
        )
    return array


def _wide(tensor: Any) -> Any:
    """Return torch's double precision type for a tensor, without importing torch here."""
    import sys

    torch = sys.modules["torch"]
    return torch.complex128 if tensor.is_complex() else torch.float64
