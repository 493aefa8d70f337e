from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from passband.operators import GaussNewton, Hessian, MatrixOperator
from passband.problem import Objective
from passband.spectra import Estimate, effective_rank, frobenius_norm, layer_traces, trace


def rotated(lam: Tensor, *, seed: int = 0) -> MatrixOperator:
    generator = torch.Generator().manual_seed(seed)
    n = len(lam)
    Q = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0]
    return MatrixOperator((Q * lam) @ Q.T, symmetric=True)


DECAYING = 1 / torch.arange(1, 151).double()
SIGNED = DECAYING * torch.tensor([1.0, 1.0, -1.0] * 50).double()


def rank_of(lam: Tensor) -> float:
    return float(lam.sum() ** 2 / (lam**2).sum())


@pytest.mark.parametrize(
    ("estimator", "exact"),
    [(frobenius_norm, float(SIGNED.norm())), (effective_rank, rank_of(SIGNED))],
)
def test_intervals_cover_as_often_as_they_say(
    estimator: Callable[..., Estimate], exact: float
) -> None:
    H = rotated(SIGNED)

    found = [estimator(H, max_matvecs=45, confidence=0.8, seed=seed) for seed in range(40)]

    covered = sum(abs(e.value - exact) <= e.error for e in found)
    assert 24 <= covered <= 39  # 32 and three standard deviations of a binomial, 2.5 each
    assert {e.matvecs for e in found} == {45}


@pytest.mark.parametrize("estimator", [frobenius_norm, effective_rank])
def test_is_exact_where_products_suffice(estimator: Callable[..., Estimate]) -> None:
    lam = SIGNED[:30]
    exact = rank_of(lam) if estimator is effective_rank else float(lam.norm())

    found = estimator(rotated(lam))

    assert found.value == pytest.approx(exact, rel=1e-12)
    assert (found.error, found.matvecs) == (0.0, 30)


@pytest.mark.parametrize("rank", [1, 5])
def test_is_exact_for_low_rank(rank: int) -> None:
    lam = torch.zeros(100, dtype=torch.float64)
    lam[:rank] = torch.arange(1, rank + 1).double()

    assert frobenius_norm(rotated(lam)).value == pytest.approx(float(lam.norm()), rel=1e-9)
    assert effective_rank(rotated(lam)).value == pytest.approx(rank_of(lam), rel=1e-9)


def test_the_norm_of_what_is_not_symmetric() -> None:
    matrix = torch.randn(80, 80, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix[:, 0] *= 20

    found = frobenius_norm(MatrixOperator(matrix), confidence=0.999)

    assert abs(found.value - float(matrix.norm())) <= found.error


def test_zero_has_a_norm_but_no_rank() -> None:
    zero = MatrixOperator(torch.zeros(80, 80))

    assert frobenius_norm(zero).value == 0.0
    assert trace(zero, method="xtrace").value == 0.0
    with pytest.raises(ValueError, match="not zero"):
        effective_rank(zero)


@pytest.mark.parametrize("rank", [0, 1, 5, 29])
def test_xtrace_is_exact_for_low_rank(rank: int) -> None:
    lam = torch.zeros(100, dtype=torch.float64)
    lam[:rank] = -torch.arange(1, rank + 1).double()

    found = trace(rotated(lam), method="xtrace")

    assert found.value == pytest.approx(float(lam.sum()), abs=1e-8)
    assert found.error <= 1e-8


def test_xtrace_is_unbiased_and_better_where_eigenvalues_decay_fast() -> None:
    lam = 0.7 ** torch.arange(150).double()
    H, exact = rotated(lam), float(lam.sum())

    def errors(method: str) -> Tensor:
        runs = [trace(H, method=method, max_matvecs=30, seed=s).value for s in range(60)]  # pyright: ignore[reportArgumentType]
        return torch.tensor(runs) - exact

    x, hutch = errors("xtrace"), errors("hutch++")

    assert x.square().mean() < 0.3 * hutch.square().mean()
    assert abs(float(x.mean())) < 4 * float(x.std()) / 60**0.5


def test_plain_sampling_needs_no_space() -> None:
    H = rotated(torch.ones(200, dtype=torch.float64))

    found = trace(H, method="hutchinson", max_matvecs=20)

    assert found.value == pytest.approx(200)  # the signs of an identity do not vary
    assert found.matvecs == 20


@pytest.mark.parametrize("kind", [Hessian, GaussNewton])
def test_layers_share_out_the_trace(kind: Callable[[Objective], Hessian | GaussNewton]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    x, y = torch.randn(30, 4).double(), torch.randn(30, 3).double()
    H = kind(Objective(model, functional.mse_loss, (x, y)))

    found = layer_traces(H, max_matvecs=150, confidence=0.999)

    for name, estimate in found.items():
        block = kind(Objective(model, functional.mse_loss, (x, y), parameters=name)).dense()
        assert abs(estimate.value - float(block.trace())) <= estimate.error
    assert list(found) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert {e.matvecs for e in found.values()} == {H.matvecs}


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, "at least 6", lambda: frobenius_norm(rotated(DECAYING), max_matvecs=5)),
        (ValueError, "confidence", lambda: effective_rank(rotated(DECAYING), confidence=1.0)),
        (ValueError, "symmetric", lambda: effective_rank(MatrixOperator(torch.ones(2, 2).triu()))),
        ((TypeError, ValueError), "method", lambda: trace(rotated(DECAYING), method="exact")),  # pyright: ignore[reportArgumentType]
        (TypeError, "objective|parameter 'H'", lambda: layer_traces(rotated(DECAYING))),  # pyright: ignore[reportArgumentType]
    ],
)
def test_refuses_wrong_arguments(
    error: type[Exception], words: str, call: Callable[[], object]
) -> None:
    with pytest.raises(error, match=words):
        call()
