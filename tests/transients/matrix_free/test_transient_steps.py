"""Steps that neither grow nor settle: what rounding does is no growth."""

import torch

import passband as pb
from passband.operators import MatrixOperator


def test_a_rise_of_rounding_is_none_and_no_reason_to_look_longer() -> None:
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0)).double())[
        0
    ]
    neutral = turn @ torch.diag(torch.tensor([0.797, 1.0, 0.988, 1.0]).double()) @ turn.T

    t = pb.transient(MatrixOperator(neutral, symmetric=False))

    assert t.step == 0
    assert abs(t.peak - 1) < 1e-12
    assert "Raise `steps`" not in str(t)


def test_one_that_does_grow_says_that_it_may_grow_on() -> None:
    t = pb.transient(MatrixOperator(torch.tensor([[1.0, 1e-3], [0.0, 1.0]]).double()), steps=100)

    assert t.step == 100
    assert t.peak > 1.05
