"""Operators made of operators: identity, sum, multiple, product, adjoint."""

from typing import final

import torch
from torch import Tensor
from typing_extensions import override

from passband._shapes import Float
from passband.errors import NonFiniteError
from passband.operators.base import LinearOperator


@final
class MatrixOperator(LinearOperator):
    """A matrix as an operator, the reference for all others.

    Args:
        matrix: Any square matrix of floating-point numbers; it is not copied.
        symmetric: Whether to treat it as symmetric. If not given, whether it is, but for rounding:
            no entry is further from its mirror image than 10 last places of the largest.

    Example:
        >>> A = MatrixOperator(torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
        >>> A @ torch.tensor([1.0, 1.0]), A.symmetric
        (tensor([3., 3.]), True)
    """

    def __init__(self, matrix: Float[Tensor, "n n"], *, symmetric: bool | None = None) -> None:
        if not isinstance(matrix, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"`matrix` must be a tensor; got {type(matrix).__name__}. "
                "Write `torch.as_tensor(matrix)`."
            )
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
            raise ValueError(f"`matrix` must be square; got shape {tuple(matrix.shape)}.")
        if matrix.dtype not in {torch.float32, torch.float64}:
            raise ValueError(f"`matrix` must be float32 or float64; got {matrix.dtype}.")
        if not bool(torch.isfinite(matrix).all()):
            row, column = (~torch.isfinite(matrix)).nonzero()[0].tolist()
            raise NonFiniteError(
                f"`matrix` must be finite; it is {float(matrix[row, column])} at ({row}, {column})."
            )
        self._matrix = matrix.detach()
        self._lives(
            len(matrix),
            matrix.dtype,
            matrix.device,
            symmetric=_symmetric(self._matrix) if symmetric is None else symmetric,
        )

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._matrix @ v

    @override
    def _rmatvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._matrix.T @ v


def _symmetric(matrix: Tensor) -> bool:
    rounding = 10 * torch.finfo(matrix.dtype).eps * matrix.abs().max()
    return bool((matrix - matrix.T).abs().max() <= rounding)


@final
class Identity(LinearOperator):
    """The identity of a size, to be scaled and added.

    Args:
        size: Number of rows.
        dtype: Of its vectors; torch's default if not given.
        device: Where they live; the CPU if not given.

    Example:
        >>> 0.5 * Identity(2) @ torch.tensor([2.0, 4.0])
        tensor([1., 2.])
    """

    symmetric: bool = True

    def __init__(
        self,
        size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        if not size >= 1:
            raise ValueError(f"`size` must be at least 1; got {size!r}.")
        where = torch.empty(0, device=device or "cpu").device  # "cuda" becomes "cuda:0"
        self._lives(size, dtype or torch.get_default_dtype(), where)

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return v.clone()


@final
class Sum(LinearOperator):
    """``A + B``."""

    def __init__(self, a: LinearOperator, b: LinearOperator) -> None:
        _check_alike(a, b)
        self._a, self._b = a, b
        self._lives(a.size, a.dtype, a.device, symmetric=a.symmetric and b.symmetric)

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._a.multiply(v) + self._b.multiply(v)

    @override
    def _rmatvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._a.multiply(v, adjoint=True) + self._b.multiply(v, adjoint=True)

    @override
    def start(self) -> Float[Tensor, " n"] | None:
        start = self._a.start()
        return self._b.start() if start is None else start


@final
class Scaled(LinearOperator):
    """``s A`` for a number ``s``."""

    def __init__(self, a: LinearOperator, factor: float) -> None:
        self._a, self._factor = a, factor
        self._lives(a.size, a.dtype, a.device, symmetric=a.symmetric)

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._factor * self._a.multiply(v)

    @override
    def _rmatvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._factor * self._a.multiply(v, adjoint=True)

    @override
    def start(self) -> Float[Tensor, " n"] | None:
        return self._a.start()


@final
class Product(LinearOperator):
    """``A B``, symmetric only if it is a square."""

    def __init__(self, a: LinearOperator, b: LinearOperator) -> None:
        _check_alike(a, b)
        self._a, self._b = a, b
        self._lives(a.size, a.dtype, a.device, symmetric=a is b and a.symmetric)

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._a.multiply(self._b.multiply(v))

    @override
    def _rmatvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._b.multiply(self._a.multiply(v, adjoint=True), adjoint=True)


@final
class Adjoint(LinearOperator):
    """``Aᵀ``."""

    def __init__(self, a: LinearOperator) -> None:
        self._a = a
        self._lives(a.size, a.dtype, a.device)

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._a.multiply(v, adjoint=True)

    @override
    def _rmatvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self._a.multiply(v)


def _check_alike(a: LinearOperator, b: LinearOperator) -> None:
    if (a.size, a.dtype, a.device) != (b.size, b.dtype, b.device):
        raise ValueError(f"operators must have one size, dtype and device; got {a} and {b}.")
