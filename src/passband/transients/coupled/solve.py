"""Linear systems that are known by products, and their solutions as differentiable functions."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.autograd import Function
from typing_extensions import override

from passband._shapes import Float
from passband.errors import ConvergenceError
from passband.transients.matrix_free.singular import Multiply

_MOST = 300  # products of one solution


@final
class Solution(NamedTuple):
    """What was found, and how well.

    Attributes:
        x: The vector.
        residual: ``‖b − A x‖ / ‖b‖``, by one more product.
        products: With A that were spent.
    """

    x: Float[Tensor, " n"]
    residual: float
    products: int


def gmres(
    multiply: Callable[[Tensor], Tensor], b: Float[Tensor, " n"], *, rtol: float, most: int
) -> Solution:
    """Return the solution of ``A x = b`` by GMRES, orthogonalized in full and never restarted.

    Args:
        multiply: Product with A.
        b: Right-hand side.
        rtol: Relative residual to stop at.
        most: Products to spend at most; as many vectors are kept.

    References:
        Saad and Schultz, *GMRES*, SIAM J. Sci. Stat. Comput. 7, 1986.
    """
    size = float(torch.linalg.vector_norm(b))
    if size == 0:
        return Solution(torch.zeros_like(b), 0.0, 0)
    most, noise = min(most, b.numel()), 10 * torch.finfo(b.dtype).eps
    basis = [b / size]
    H = torch.zeros(most + 1, most, dtype=torch.float64)
    for j in range(most):
        w = multiply(basis[j])
        rows = torch.stack(basis)
        for _ in range(2):  # once loses digits
            overlap = rows @ w
            w = w - rows.T @ overlap
            H[: j + 1, j] += overlap.double().cpu()
        rest = float(torch.linalg.vector_norm(w))
        exhausted = rest <= noise * float(torch.linalg.vector_norm(H[: j + 1, j]))
        H[j + 1, j] = 0.0 if exhausted else rest
        target = torch.zeros(j + 2, dtype=torch.float64)
        target[0] = 1.0
        left = H[: j + 2, : j + 1]
        y = torch.linalg.lstsq(left, target[:, None], driver="gelsd").solution[:, 0]
        residual = float(torch.linalg.vector_norm(target - left @ y))
        if not residual > rtol or exhausted or j + 1 == most or not math.isfinite(residual):
            x = size * (y.to(b) @ rows)
            left_over = float(torch.linalg.vector_norm(b - multiply(x)))
            return Solution(x, left_over / size, j + 2)
        basis.append(w / H[j + 1, j].to(b))
    raise AssertionError


@final
class Implicit:
    """A system ``A x = b`` at a point where something is defined by an equation.

    Args:
        multiply: Product with A, or with its transpose.
    """

    products: int

    def __init__(self, multiply: Multiply) -> None:
        self._multiply, self.products = multiply, 0

    def solve(self, b: Float[Tensor, " n"], *, adjoint: bool = False) -> Float[Tensor, " n"]:
        """Return ``A⁻¹ b``, or ``A⁻ᵀ b``, to a relative residual of about ``eps^0.75``.

        Raises:
            ConvergenceError: If the residual stays above the one that was asked.
        """
        rtol = torch.finfo(b.dtype).eps ** 0.75
        found = gmres(partial(self._multiply, adjoint=adjoint), b, rtol=rtol, most=_MOST)
        self.products += found.products
        if not found.residual <= 10 * rtol:
            raise ConvergenceError(
                f"the linear system of an implicit step was solved to {found.residual:.1e} only, "
                f"after {found.products} products; {rtol:.0e} was asked. Use smaller learning "
                "rates: they bring the system closer to the identity.",
                best=found.x,
            )
        return found.x

    def follow(self, x: Float[Tensor, " n"], residual: Float[Tensor, " n"]) -> Tensor:
        """Return x, with the derivative of ``x + A⁻¹ residual``.

        The implicit function theorem: residual is ``b − A x`` as a function of what x depends
        on, at the x found. Only its derivative counts.
        """
        return x + _Follow.apply(residual, self) if residual.requires_grad else x


class _Follow(Function):
    """Zero, with the derivative of ``A⁻¹ r``."""

    @staticmethod
    @override
    def forward(ctx: Any, r: Tensor, system: Implicit) -> Tensor:
        ctx.system = system
        return torch.zeros_like(r)

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _Solve.apply(gradients[0], ctx.system, True), None


class _Solve(Function):
    """``A⁻¹ b``, A held constant: linear in b, so it is its own derivative, transposed."""

    @staticmethod
    @override
    def forward(ctx: Any, b: Tensor, system: Implicit, adjoint: bool) -> Tensor:
        ctx.system, ctx.adjoint = system, adjoint
        return system.solve(b, adjoint=adjoint)

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _Solve.apply(gradients[0], ctx.system, not ctx.adjoint), None, None
