"""Why products disagree with a symmetric matrix."""

from collections.abc import Callable

import torch
from torch import Tensor

from passband.errors import NotDeterministicError, PassbandError
from passband.operators import LinearOperator
from passband.spectra.krylov import norm
from passband.spectra.start import random_direction

ROUNDING = 1e-3  # what products may lack in symmetry, beyond what single precision mostly loses
_MORE = 10.0  # times what rounding does to one product, where it is amplified


def disagreement(
    H: LinearOperator, multiply: Callable[[Tensor], Tensor], generator: torch.Generator
) -> PassbandError | None:
    """Return the error that says why, or None where it is rounding, after four more products.

    A preconditioner may weigh parameters without curvature, such as a bias before batch norm,
    a million times more than others; then rounding is amplified likewise. A change of the vector
    in its last digit shows it.
    """
    u, v, digits = (random_direction(H, generator) for _ in range(3))
    a, again, b = multiply(u), multiply(u), multiply(v)
    rounded = norm(multiply(v * (1 + torch.finfo(v.dtype).eps * digits)) - b)
    if norm(a - again) > ROUNDING * norm(a):
        return NotDeterministicError(
            f"{H} gives two products for one vector. Look for random numbers or a state in the "
            "model, the loss or the data."
        )
    gap = abs(float((v * a).sum() - (u * b).sum())) / (norm(u) * norm(b))
    if gap <= _MORE * rounded / norm(b):
        return None
    return PassbandError(
        f"{H} is not symmetric: vᵀAu and uᵀAv differ by {gap:.1e} of ‖u‖‖Av‖. An operation of the "
        "model has a wrong second derivative; write it with elementary ones. Or, of an operator of "
        "your own, `_matvec` is not symmetric: set `symmetric=False` and use `multipliers`."
    )
