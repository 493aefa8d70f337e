"""Why products disagree with a symmetric matrix."""

from collections.abc import Callable

import torch
from torch import Tensor

from passband.errors import NotDeterministicError, PassbandError
from passband.operators import LinearOperator
from passband.spectra.krylov import norm
from passband.spectra.start import random_direction

ROUNDING = 1e-3  # what products may lack in symmetry, far beyond what single precision loses


def disagreement(
    H: LinearOperator, multiply: Callable[[Tensor], Tensor], generator: torch.Generator
) -> PassbandError:
    """Return the error that says why, after three more products."""
    u, v = (random_direction(H, generator) for _ in range(2))
    a, again, b = multiply(u), multiply(u), multiply(v)
    if norm(a - again) > ROUNDING * norm(a):
        return NotDeterministicError(
            f"{H} gives two products for one vector. Look for random numbers or a state in the "
            "model, the loss or the data."
        )
    gap = abs(float((v * a).sum() - (u * b).sum())) / (norm(u) * norm(b))
    return PassbandError(
        f"{H} is not symmetric: vᵀAu and uᵀAv differ by {gap:.1e} of ‖u‖‖Av‖. An operation of the "
        "model has a wrong second derivative; write it with elementary ones."
    )
