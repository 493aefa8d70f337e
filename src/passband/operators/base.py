"""What every operator has: a product, its checks, the count of products, and an algebra."""

from abc import ABC, abstractmethod
from numbers import Real
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor
from typing_extensions import override

from passband._shapes import Float

_DENSE_LIMIT = 20_000


class LinearOperator(ABC):
    """A square matrix known by its products, ``A @ v``.

    Vectors have the operator's dtype and device. A new kind of operator sets ``size``,
    ``dtype``, ``device`` and ``symmetric`` and says how it multiplies. Operators are added,
    subtracted, scaled by numbers, shifted by ``A.shift(s) = A + s I`` and multiplied with ``@``;
    ``A.T`` is the adjoint.

    Attributes:
        size: Number of rows and columns.
        dtype: Of the vectors it multiplies and returns.
        device: Where they live.
        symmetric: Whether the operator equals its adjoint.
        curvature: ``"plain"`` or ``"preconditioned"`` where its eigenvalues are curvatures of a
            loss, so that a filter can tell whether they are its own; else empty.
    """

    size: int
    dtype: torch.dtype
    device: torch.device
    symmetric: bool = False
    curvature: str = ""
    _spent: int = 0

    @final
    def _lives(
        self,
        size: int,
        dtype: torch.dtype,
        device: torch.device,
        *,
        symmetric: bool | None = None,
    ) -> None:
        """Say how large the operator is, in what precision, where, and of what kind."""
        self.size, self.dtype, self.device = size, dtype, device
        if symmetric is not None:
            self.symmetric = symmetric

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Say what an operator that was never placed lacks."""
            kind = type(self).__name__
            if name in {"size", "dtype", "device"}:
                raise AttributeError(
                    f"{kind} has not said its {name}. Call `self._lives(size, dtype, device)` in "
                    "its `__init__`, before anything is multiplied.",
                    name=name,
                    obj=self,
                )
            raise AttributeError(f"{kind!r} object has no attribute {name!r}", name=name, obj=self)

    @abstractmethod
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return a new tensor, the product with a vector that was checked."""

    def _rmatvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return the product of the adjoint with a vector that was checked."""
        raise NotImplementedError(f"{self} has no adjoint product for {tuple(v.shape)}.")

    def start(self) -> Float[Tensor, " n"] | None:
        """Return a vector rich in the outer eigenvectors that costs next to nothing, or None."""
        return None

    @property
    def matvecs(self) -> int:
        """Number of products with single vectors so far."""
        return self._spent

    @final
    def multiply(self, v: Tensor, *, adjoint: bool = False) -> Tensor:
        """Return ``A v`` or ``Aᵀ v`` for a vector ``(n,)`` or columns ``(n, b)``."""
        self._check(v)
        product = self._rmatvec if adjoint and not self.symmetric else self._matvec
        v = v.detach()
        if v.ndim == 1:
            self._spent += 1
            return product(v)
        self._spent += v.shape[1]
        columns = [product(column.contiguous()) for column in v.T]
        return torch.stack(columns, dim=1) if columns else torch.zeros_like(v)

    @final
    def dense(self) -> Float[Tensor, "n n"]:
        """Return the matrix. Costs ``n`` products; refused for ``n`` above 20,000."""
        if self.size > _DENSE_LIMIT:
            raise ValueError(
                f"`dense` needs size <= {_DENSE_LIMIT:,}; got {self.size:,}, a matrix of "
                f"{self.size**2 * self.dtype.itemsize / 2**30:.0f} GiB. Use products, `A @ v`."
            )
        matrix = torch.empty(self.size, self.size, dtype=self.dtype, device=self.device)
        unit = torch.zeros(self.size, dtype=self.dtype, device=self.device)
        for j in range(self.size):
            unit[j] = 1
            matrix[:, j] = self.multiply(unit)
            unit[j] = 0
        return matrix

    @final
    def _check(self, v: Any) -> None:
        kind = type(self).__name__
        if not isinstance(v, Tensor):
            raise TypeError(
                f"{kind} multiplies tensors; got {type(v).__name__}. Use `torch.as_tensor`."
            )
        if v.ndim not in {1, 2} or v.shape[0] != self.size:
            raise ValueError(
                f"{kind} of size {self.size} acts on vectors of shape ({self.size},) or columns "
                f"({self.size}, b); got shape {tuple(v.shape)}."
            )
        if v.dtype != self.dtype or v.device != self.device:
            raise ValueError(
                f"{kind} lives in {self.dtype} on {self.device}; got a vector in {v.dtype} on "
                f"{v.device}. Convert it with `v.to(operator.device, operator.dtype)`."
            )

    @final
    @property
    def T(self) -> "LinearOperator":  # noqa: N802 - as on tensors
        """The adjoint."""
        from passband.operators.algebra import Adjoint

        return self if self.symmetric else Adjoint(self)

    @final
    def shift(self, shift: float) -> "LinearOperator":
        """Return ``A + shift · I``."""
        from passband.operators.algebra import Identity

        return self + float(shift) * Identity(self.size, dtype=self.dtype, device=self.device)

    @final
    def block(self, part: slice) -> "LinearOperator":
        """Return the diagonal block of some rows and columns, ``A.block(slice(0, 10))``.

        A product costs one of ``A``. The block of a network's layer is cheaper as the operator
        of an objective in that layer's parameters, ``Objective(..., parameters="layer.*")``.
        """
        from passband.operators.blocks import Block

        return Block(self, part)

    @final
    def __matmul__(self, v: Any) -> Any:
        """Return the product with a vector ``(n,)``, with columns ``(n, b)``, or of operators."""
        from passband.operators.algebra import Product

        return Product(self, v) if isinstance(v, LinearOperator) else self.multiply(v)

    @final
    def __add__(self, other: Any) -> "LinearOperator":
        from passband.operators.algebra import Sum

        return Sum(self, other) if isinstance(other, LinearOperator) else NotImplemented

    @final
    def __mul__(self, factor: Any) -> "LinearOperator":
        from passband.operators.algebra import Scaled

        return Scaled(self, float(factor)) if isinstance(factor, Real) else NotImplemented

    __rmul__ = __mul__

    @final
    def __truediv__(self, divisor: Any) -> "LinearOperator":
        return self * (1 / float(divisor)) if isinstance(divisor, Real) else NotImplemented

    @final
    def __sub__(self, other: "LinearOperator") -> "LinearOperator":
        return self + (-1.0) * other

    @final
    def __neg__(self) -> "LinearOperator":
        return (-1.0) * self

    @override
    def __repr__(self) -> str:
        return f"<{type(self).__name__} of size {self.size:,}, {self.dtype}, {self.device}>"
