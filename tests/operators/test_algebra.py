import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from typing_extensions import override

from passband.errors import NonFiniteError
from passband.operators import Identity, LinearOperator, MatrixOperator

A = MatrixOperator(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
B = MatrixOperator(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))


def test_follows_the_algebra_of_matrices() -> None:
    a, b = A.dense(), B.dense()

    combined = 2 * A - B @ A / 4 + (-B).T + A.shift(3)

    assert_close(combined.dense(), 2 * a - b @ a / 4 - b.T + a + 3 * torch.eye(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [2, 10, 300])
def test_a_matrix_that_is_symmetric_but_for_rounding_is_symmetric(
    n: int, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(n)
    Q = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=dtype))[0]
    matrix = Q @ torch.diag(torch.linspace(-1, 3, n, dtype=dtype)) @ Q.T
    bent = matrix.clone()
    bent[0, 1] += 1e-4

    assert MatrixOperator(matrix).symmetric
    assert not MatrixOperator(bent).symmetric
    assert not MatrixOperator(matrix, symmetric=False).symmetric


def test_knows_what_stays_symmetric() -> None:
    assert B.symmetric
    assert (B + 2 * Identity(2)).symmetric
    assert (B @ B).symmetric
    assert not A.symmetric
    assert not (A @ B).symmetric
    assert not (A + B).symmetric


def test_products_of_the_parts_are_counted() -> None:
    a, b = MatrixOperator(torch.eye(2)), MatrixOperator(torch.eye(2))

    _ = (a @ b + a) @ torch.ones(2)

    assert (a.matvecs, b.matvecs) == (2, 1)


@pytest.mark.parametrize("other", [Identity(3), Identity(2, dtype=torch.float64)])
def test_refuses_to_mix_sizes_and_dtypes(other: Identity) -> None:
    with pytest.raises(ValueError, match="one size, dtype and device"):
        _ = A + other


def test_refuses_nonsense() -> None:
    with pytest.raises(TypeError):
        _ = A + 1
    with pytest.raises(TypeError):
        _ = A * "2"
    with pytest.raises(ValueError, match="`size` must be at least 1"):
        Identity(0)
    with pytest.raises(ValueError, match="square"):
        MatrixOperator(torch.zeros(0, 0))
    with pytest.raises(ValueError, match=r"float32 or float64; got torch.float16"):
        MatrixOperator(torch.zeros(2, 2, dtype=torch.float16))
    with pytest.raises(ValueError, match=r"size <= 20,000; got 1,000,000, a matrix of 3725 GiB"):
        Identity(10**6).dense()


class Unplaced(LinearOperator):
    @override
    def _matvec(self, v: Tensor) -> Tensor:
        return v


def test_an_operator_without_a_size_says_what_it_lacks() -> None:
    with pytest.raises(
        AttributeError, match=r"Unplaced has not said its size\. Call `self\._lives"
    ):
        Unplaced().multiply(torch.ones(3))
    assert not hasattr(Unplaced(), "nonsense")


def test_a_matrix_that_is_not_finite_names_the_place() -> None:
    matrix = torch.eye(3)
    matrix[1, 2] = torch.nan

    with pytest.raises(NonFiniteError, match=r"it is nan at \(1, 2\)"):
        MatrixOperator(matrix)
