"""What multiplies a vector: Hessians and their relatives, matrices, and their algebra."""

from passband.operators.algebra import Identity, MatrixOperator
from passband.operators.base import LinearOperator
from passband.operators.blocks import BlockDiagonal
from passband.operators.distributed import Distributed
from passband.operators.gauss_newton import GaussNewton
from passband.operators.hessian import Hessian
from passband.operators.preconditioned import PreconditionedHessian
from passband.operators.update import UpdateJacobian

__all__ = [
    "BlockDiagonal",
    "Distributed",
    "GaussNewton",
    "Hessian",
    "Identity",
    "LinearOperator",
    "MatrixOperator",
    "PreconditionedHessian",
    "UpdateJacobian",
]
