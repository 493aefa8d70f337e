"""Where a search begins."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from passband.errors import NonFiniteError
from passband.operators import LinearOperator
from passband.problem.finite import all_finite
from passband.spectra.krylov import norm
from passband.spectra.plane import Multipliers
from passband.spectra.results import Spectrum


def any_operator(H: Any, *, name: str) -> None:
    """Refuse what is not an operator."""
    if not isinstance(H, LinearOperator):
        hints = {
            "Objective": "`Hessian(objective)`",
            "Tensor": "`MatrixOperator(matrix)`",
            "ndarray": "`MatrixOperator(torch.as_tensor(matrix))`",
        }
        kind = type(H).__name__
        other = "a class of it with `_matvec`"
        if isinstance(H, nn.Module):
            other = "`Hessian(Objective(model, loss, data))`"
        raise TypeError(
            f"`{name}` needs a LinearOperator; got {kind}. Write {hints.get(kind, other)}."
        )


def symmetric_operator(H: Any, *, name: str) -> None:
    """Refuse what is not a symmetric operator."""
    any_operator(H, name=name)
    if not H.symmetric:
        raise ValueError(
            f"`{name}` needs a symmetric operator; got {H}. If it is symmetric but for rounding, "
            "multiply with `(A + A.T) / 2` or pass `symmetric=True`; for others there is "
            "`multipliers`."
        )


def watched(H: LinearOperator, *, adjoint: bool = False) -> Callable[[Tensor], Tensor]:
    """Return the product with ``H``, which raises `NonFiniteError` instead of returning NaN."""

    def multiply(v: Tensor) -> Tensor:
        w = H.multiply(v, adjoint=adjoint)
        if not all_finite(w):
            raise NonFiniteError(
                f"a product with {H} is not finite. Look for NaN or infinity in the operator."
            )
        return w

    return multiply


def random_direction(H: LinearOperator, generator: torch.Generator) -> Tensor:
    """Return a Gaussian vector, drawn on the CPU: the same on every device."""
    z = torch.randn(H.size, generator=generator, dtype=H.dtype)
    return z.to(H.device)


def first_direction(
    H: LinearOperator, start: Tensor | Spectrum | Multipliers | None, generator: torch.Generator
) -> Tensor:
    """Return ``g / ‖g‖ + 0.1 z / ‖z‖``: rich in what is wanted, orthogonal to nothing.

    ``g`` is what the caller gave, the sum of the eigenvectors of an earlier spectrum, or the
    operator's own start, the gradient of a Hessian; ``z`` is Gaussian.
    """
    z = random_direction(H, generator)
    if isinstance(start, Spectrum | Multipliers):
        g = start.vectors.sum(0)
        g = g.real + g.imag if g.is_complex() else g
    else:
        g = H.start() if start is None else start
    if g is None:
        return z
    if g.shape != z.shape or g.dtype != z.dtype or g.device != z.device:
        raise ValueError(
            f"`start` must have shape ({H.size},), {H.dtype}, on {H.device}; got shape "
            f"{tuple(g.shape)}, {g.dtype}, on {g.device}."
        )
    length = norm(g)
    if not length < float("inf"):
        raise ValueError("`start` must be finite; it has NaN, infinity or an infinite norm.")
    return g / length + 0.1 * z / norm(z) if length > 0 else z
