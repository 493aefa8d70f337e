import pytest
import torch
from torch import Tensor

from passband.operators import Identity, MatrixOperator
from passband.spectra import trace


def rotated(lam: Tensor, *, seed: int = 0) -> MatrixOperator:
    generator = torch.Generator().manual_seed(seed)
    n = len(lam)
    Q = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0]
    return MatrixOperator((Q * lam) @ Q.T, symmetric=True)


DECAYING = 1 / torch.arange(1, 201).double()


def test_the_interval_covers_the_trace_as_often_as_it_says() -> None:
    H, exact = rotated(DECAYING), float(DECAYING.sum())

    estimates = [trace(H, max_matvecs=45, confidence=0.8, seed=seed) for seed in range(100)]

    covered = sum(abs(e.value - exact) <= e.error for e in estimates)
    assert 68 <= covered <= 92  # 80 and three standard deviations of a binomial, 4 each
    assert {e.matvecs for e in estimates} == {45}


def test_beats_plain_sampling_where_eigenvalues_decay() -> None:
    H, exact = rotated(DECAYING), float(DECAYING.sum())
    signs = torch.randn(100, 60, 200, dtype=torch.float64).sign()
    plain = ((signs @ H.dense()) * signs).sum(-1).mean(1)

    errors = [trace(H, max_matvecs=60, seed=seed).value - exact for seed in range(100)]

    assert torch.tensor(errors).square().mean() < 0.3 * (plain - exact).square().mean()


@pytest.mark.parametrize("rank", [0, 1, 5])
def test_is_exact_for_low_rank(rank: int) -> None:
    lam = torch.zeros(100, dtype=torch.float64)
    lam[:rank] = -torch.arange(1, rank + 1).double()

    estimate = trace(rotated(lam))

    assert estimate.value == pytest.approx(float(lam.sum()), abs=1e-10)
    assert estimate.error <= 1e-10


def test_is_exact_where_products_suffice() -> None:
    estimate = trace(rotated(DECAYING[:30]))

    assert estimate.value == pytest.approx(float(DECAYING[:30].sum()), rel=1e-13)
    assert (estimate.error, estimate.matvecs) == (0.0, 30)


def test_works_in_single_precision() -> None:
    H = MatrixOperator(rotated(DECAYING).dense().float(), symmetric=True)

    estimate = trace(H)

    assert abs(float(estimate) - float(DECAYING.sum())) <= 2 * estimate.error


def test_says_what_it_is() -> None:
    assert "95 % confidence, 60 products" in repr(trace(rotated(DECAYING)))


def test_refuses_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="`max_matvecs` must be at least 6; got 5"):
        trace(Identity(3), max_matvecs=5)
    with pytest.raises(ValueError, match="`confidence` must lie"):
        trace(Identity(3), confidence=1.0)
    with pytest.raises(ValueError, match="symmetric"):
        trace(MatrixOperator(torch.ones(2, 2).triu()))


def test_a_confidence_that_is_nominal_is_called_so() -> None:
    H = MatrixOperator(torch.diag(0.9 ** torch.arange(100).double()))

    assert "(nominal 95 % confidence" in str(trace(H, method="xtrace", max_matvecs=30))
    assert "(95 % confidence" in str(trace(H, method="hutch++", max_matvecs=30))
