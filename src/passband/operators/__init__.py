"""What multiplies a vector: Hessians, matrices, and their algebra."""

from passband.operators.algebra import Identity, MatrixOperator
from passband.operators.base import LinearOperator
from passband.operators.hessian import Hessian

__all__ = ["Hessian", "Identity", "LinearOperator", "MatrixOperator"]
