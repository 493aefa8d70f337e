"""What `kreiss` takes, and what it refuses."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from passband.transients import kreiss
from passband.transients.dense.matrices import check_time


@pytest.mark.parametrize(
    ("A", "error", "message"),
    [
        (np.ones((2, 3)), ValueError, "square"),
        ([[1, 2], [3]], ValueError, "matrix"),
        ([1.0, 2.0], ValueError, "at least one row"),
        (np.zeros((0, 0)), ValueError, "at least one row"),
        ([[math.nan, 0], [0, 0]], ValueError, "finite"),
        ([[math.inf, 0], [0, 0]], ValueError, "finite"),
        ([["a", "b"], ["c", "d"]], TypeError, "numbers"),
        (None, TypeError, "numbers"),
    ],
    ids=repr,
)
def test_refuses_what_is_no_square_matrix(A: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        kreiss(A)


def test_refuses_wrong_options() -> None:
    with pytest.raises(ValueError, match="`rtol`"):
        kreiss([[0.5]], rtol=math.nan)
    with pytest.raises(ValueError, match="`time`"):
        check_time("sometimes")  # the type checker of these tests would refuse it earlier
    with pytest.raises(ValueError, match="`digits`"):
        kreiss([[0.5]], digits=0)


def test_integers_lists_and_tensors_are_welcome() -> None:
    torch = pytest.importorskip("torch")
    expected = kreiss([[0.0, 0.0], [4.0, 0.0]])

    assert kreiss([[0, 0], [4, 0]]) == expected
    assert kreiss(np.array([[0, 0], [4, 0]], dtype=np.int8)) == expected
    assert kreiss(torch.tensor([[0, 0], [4, 0]], dtype=torch.bfloat16)) == expected
    assert kreiss(np.array([[0, 0], [4, 0]], dtype=np.complex64)) == expected
    assert kreiss(scipy.sparse.csr_array([[0, 0], [4, 0]])) == expected


def test_an_operator_instead_of_a_matrix_is_told_to_be_written_out() -> None:
    class Operator:
        def dense(self) -> None: ...

    with pytest.raises(TypeError, match=r"Write it out: `A\.dense\(\)`"):
        kreiss(Operator())
