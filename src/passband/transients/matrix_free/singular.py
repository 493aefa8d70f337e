"""The largest singular value of what can only be multiplied, from below."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from passband._shapes import Float

Product = Callable[[Tensor], Tensor]


class Multiply(Protocol):
    """Product with an operator or its adjoint, as `LinearOperator.multiply` is."""

    def __call__(self, v: Tensor, /, *, adjoint: bool) -> Tensor:
        """Return ``A v`` or ``Aᵀ v``."""
        ...


class Largest(NamedTuple):
    """A singular triple.

    Attributes:
        value: Lower bound of the norm, attained by ``right``.
        error: Estimated distance to the norm, from the residual and the gap.
        right: What is amplified most, a unit vector.
        left: What becomes of it, a unit vector; zero if the value is.
    """

    value: float
    error: float
    right: Float[Tensor, " n"]
    left: Float[Tensor, " n"]


def largest_singular(
    forward: Product,
    backward: Product,
    start: Float[Tensor, " n"],
    *,
    rtol: float,
    most: int,
    least: int = 1,
) -> Largest:
    """Return the largest singular triple by Golub and Kahan's bidiagonalization.

    A block power iteration would take several times the products: its error falls with
    ``(σ₂/σ₁)^4`` a pair of products, that of a Krylov space with a power of the square root of
    the gap. Right vectors are kept, and orthogonalized against in full.

    Args:
        forward: Product with the operator.
        backward: Product with its adjoint.
        start: Where to look first, any vector but zero.
        rtol: Relative error to stop at.
        most: Pairs of products to spend at most, at least 1.
        least: Pairs to spend before convergence is believed: a start near a lesser singular
            vector looks converged at once.
    """
    norm = torch.linalg.vector_norm
    v = start / norm(start)
    basis, alphas, betas = [v], list[float](), list[float]()
    u = torch.zeros_like(v)
    best = Largest(0.0, 0.0, v, u)
    noise = 10 * torch.finfo(v.dtype).eps
    for pair in range(most):
        p = forward(v)
        if betas:
            p = p - betas[-1] * u
        alpha = float(norm(p))
        if alpha <= noise * max([*alphas, *betas], default=0.0):  # nothing new in the image
            alphas.append(0.0)
            best = _triple(alphas, betas, 0.0)
            break
        u = p / alpha
        alphas.append(alpha)
        r = backward(u) - alpha * v
        for _ in range(2):
            rows = torch.stack(basis)
            r = r - rows.T @ (rows @ r)
        beta = float(norm(r))
        best = _triple(alphas, betas, beta)
        if (pair + 1 >= least and best.error <= rtol * best.value) or beta <= noise * best.value:
            break
        betas.append(beta)
        v = r / beta
        basis.append(v)
    return _vectors(best, alphas, betas, basis, forward)


def _bidiagonal(alphas: list[float], betas: list[float]) -> Tensor:
    B = torch.diag(torch.tensor(alphas, dtype=torch.float64))
    for i, beta in enumerate(betas[: len(alphas) - 1]):
        B[i, i + 1] = beta
    return B


def _triple(alphas: list[float], betas: list[float], beta: float) -> Largest:
    """Return value and error; the vectors are made when they are needed."""
    left, sigma, right = torch.linalg.svd(_bidiagonal(alphas, betas))
    value = float(sigma[0])
    residual = beta * abs(float(left[-1, 0]))
    gap = value - float(sigma[1]) if len(alphas) > 1 else 0.0
    error = min(residual, residual**2 / gap) if gap > 0 else residual
    return Largest(value, error, right[0], left[:, 0])


def _vectors(
    found: Largest, alphas: list[float], betas: list[float], basis: list[Tensor], forward: Product
) -> Largest:
    weights = torch.linalg.svd(_bidiagonal(alphas, betas))[2][0]
    right = torch.zeros_like(basis[0])
    for weight, v in zip(weights.tolist(), basis, strict=False):
        right.add_(v, alpha=weight)
    right /= torch.linalg.vector_norm(right)
    image = forward(right)
    value = float(torch.linalg.vector_norm(image))
    left = image / value if value > 0 else image
    return Largest(value, found.error, right, left)
