import pytest
import torch
from torch.testing import assert_close

from passband.operators import Identity, MatrixOperator

A = MatrixOperator(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
B = MatrixOperator(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))


def test_follows_the_algebra_of_matrices() -> None:
    a, b = A.dense(), B.dense()

    combined = 2 * A - B @ A / 4 + (-B).T + A.shift(3)

    assert_close(combined.dense(), 2 * a - b @ a / 4 - b.T + a + 3 * torch.eye(2))


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
