import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.testing import assert_close

from passband.operators import BlockDiagonal, Hessian, Identity, MatrixOperator
from passband.problem import Objective

A = torch.randn(7, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("part", [slice(0, 3), slice(2, 7), slice(-2, None), slice(None)])
def test_a_block_is_that_of_the_matrix(part: slice) -> None:
    block = MatrixOperator(A).block(part)

    assert_close(block.dense(), A[part, part])
    assert_close(block.T.dense(), A[part, part].T)
    assert not block.symmetric


def test_the_block_of_a_layer_is_the_hessian_in_its_parameters() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    data = (torch.randn(9, 3).double(), torch.randn(9, 2).double())
    whole = Hessian(Objective(model, functional.mse_loss, data))
    last = Hessian(Objective(model, functional.mse_loss, data, parameters="2.*"))

    block = whole.block(slice(16, 26))

    assert block.symmetric
    assert_close(block.dense(), last.dense())
    assert_close(block.start(), last.start())


def test_blocks_side_by_side() -> None:
    parts = [MatrixOperator(A[:2, :2]), 3 * Identity(1, dtype=A.dtype), MatrixOperator(A[2:6, 2:6])]

    whole = BlockDiagonal(parts)

    expected = torch.block_diag(*(part.dense() for part in parts))
    assert_close(whole.dense(), expected)
    assert_close(whole.T.dense(), expected.T)
    assert not whole.symmetric
    assert BlockDiagonal([Identity(2), Identity(3)]).symmetric


def test_refuses_what_is_no_block() -> None:
    operator = MatrixOperator(A)

    for part in (slice(3, 3), slice(8, 9), slice(0, 6, 2)):
        with pytest.raises(ValueError, match="without gaps"):
            operator.block(part)
    with pytest.raises(ValueError, match="at least one"):
        BlockDiagonal([])
    with pytest.raises(ValueError, match="one dtype and device"):
        BlockDiagonal([operator, Identity(2, dtype=torch.float32)])
