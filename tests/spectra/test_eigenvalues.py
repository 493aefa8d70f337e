from collections.abc import Callable

import pytest
import torch
from planted_spectra import BULK, SPECTRA, planted, true_values
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close
from typing_extensions import override

from passband.operators import Hessian, Identity, LinearOperator, MatrixOperator
from passband.problem import Objective
from passband.spectra import Spectrum, eigenvalues
from passband.spectra.results import Which

WHICH: tuple[Which, ...] = ("largest", "smallest", "magnitude", "both")


@pytest.mark.filterwarnings("ignore::passband.errors.UnconvergedWarning")
@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("name", SPECTRA)
def test_errors_bound_the_true_errors(name: str, which: Which) -> None:
    crossed = which in {"largest", "both"}
    for dtype, k in ((torch.float32, 1 + 2 * crossed), (torch.float64, 3 - 2 * crossed)):
        if k > len(SPECTRA[name]):
            continue
        matrix = planted(SPECTRA[name], dtype=dtype, seed=k)

        s = eigenvalues(MatrixOperator(matrix, symmetric=True), k=k, which=which, seed=k)

        truth, found = true_values(matrix, k, which), s.values.double()
        if which == "magnitude":  # of ±λ either may come first
            truth, found = truth.abs(), found.abs()
        assert ((found - truth).abs() <= s.errors).all(), (dtype, k, truth, s)
        vectors = s.vectors.double()
        residuals = (matrix.double() @ vectors.T - vectors.T * s.values).norm(dim=0)
        rounding = 20 * torch.finfo(dtype).eps * matrix.double().norm()
        assert (residuals <= s.residuals + rounding).all()
        if 2 * k <= len(matrix):
            unit = torch.eye(len(vectors), dtype=torch.float64)
            assert_close(vectors @ vectors.T, unit, rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore::passband.errors.UnconvergedWarning")
@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("name", SPECTRA)
def test_without_verification_an_eigenvalue_is_within_every_error(name: str, which: Which) -> None:
    """Which one it is, a single search cannot know: it may have missed others."""
    k = min(3, len(SPECTRA[name]))
    for dtype in (torch.float32, torch.float64):
        matrix = planted(SPECTRA[name], dtype=dtype, seed=k)

        s = eigenvalues(MatrixOperator(matrix, symmetric=True), k=k, which=which, verify=False)

        lam = torch.linalg.eigvalsh(matrix.double())
        nearest = (s.values.double()[:, None] - lam).abs().min(1).values
        assert (nearest <= s.errors).all(), (dtype, nearest, s)
        assert not s.verified or "whole space" in s.evidence


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("n", [1, 2, 3, 7, 30])
def test_all_eigenvalues_of_a_small_operator(n: int, which: Which) -> None:
    matrix = planted(SPECTRA["30 at random"][:n])

    s = eigenvalues(MatrixOperator(matrix), k=n, which=which)

    assert_close(s.values, true_values(matrix, n, which), rtol=1e-10, atol=1e-12)
    assert s.converged.all()
    assert s.verified


def test_finds_every_copy_of_a_multiple_eigenvalue() -> None:
    H = MatrixOperator(planted(SPECTRA["repeated"]), symmetric=True)

    seen = eigenvalues(H, k=4)
    missed = eigenvalues(H, k=4, verify=False)

    assert_close(seen.values, torch.tensor([10, 10, 10, 8]).double(), rtol=1e-4, atol=0)
    assert seen.verified
    assert "had missed" in seen.evidence
    assert not torch.allclose(missed.values, seen.values, rtol=1e-3)  # one copy a Krylov space
    assert not missed.verified


@pytest.mark.filterwarnings("ignore::passband.errors.UnconvergedWarning")
@pytest.mark.parametrize("max_matvecs", [18, 20, 24, 30, None])
def test_what_could_not_be_told_apart_has_a_bar_that_says_so(max_matvecs: int | None) -> None:
    """Twelve copies, and one new copy in every look, run into the limit of products."""
    for rest in ([2.0] * 12 + [1.0] * 40, torch.linspace(-1, 2.9, 60).tolist()):
        H = MatrixOperator(planted([3.0] * 12 + rest), symmetric=True)

        s = eigenvalues(H, k=8, max_matvecs=max_matvecs)

        assert ((s.values - 3).abs() <= s.errors)[s.converged].all()
        assert not s.verified or s.values[-1] > 2.999


def networks() -> dict[str, tuple[nn.Module, Callable[..., Tensor], Tensor, Tensor]]:
    torch.manual_seed(0)
    classes = torch.randint(0, 3, (30,))
    x, y = torch.randn(30, 4), torch.randn(30, 3)
    mlp = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    norm = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 3))
    encoder = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True)
    attention = nn.Sequential(nn.Unflatten(1, (2, 2)), nn.Linear(2, 4), encoder, nn.Flatten())
    return {
        "classifier": (mlp, functional.cross_entropy, x, classes),
        "regression": (norm, functional.mse_loss, x, y),
        "attention": (nn.Sequential(attention, nn.Linear(8, 3)), functional.mse_loss, x, y),
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["classifier", "regression", "attention"])
def test_small_networks_agree_with_their_dense_hessian(name: str, dtype: torch.dtype) -> None:
    model, loss, x, y = networks()[name]
    y = y if y.dtype == torch.int64 else y.double()
    exact = Hessian(Objective(model.double().eval(), loss, (x.double(), y))).dense()
    x, y = x.to(dtype), y if y.dtype == torch.int64 else y.to(dtype)
    batches = list(zip(x.split(12), y.split(12), strict=True))  # the last one is smaller

    s = eigenvalues(Hessian(Objective(model.to(dtype), loss, batches)), which="both")

    # single precision weights are other weights: the Hessian moves by their rounding
    moved = 0 if dtype == torch.float64 else 1e-5 * float(exact.norm())
    assert ((s.values - true_values(exact, 3, "both")).abs() <= s.errors + moved).all()
    assert s.converged.all()


def test_is_exact_in_single_precision_for_many_parameters() -> None:
    class Diagonal(LinearOperator):
        symmetric = True
        size, dtype, device = 2_000_000, torch.float32, torch.device("cpu")

        def __init__(self) -> None:
            self.values = torch.linspace(0, 1, self.size)
            self.values[torch.tensor([5, 70_000, 1_900_000])] = torch.tensor([10.0, 7.0, 4.0])

        @override
        def _matvec(self, v: Tensor) -> Tensor:
            return self.values * v

    s = eigenvalues(Diagonal(), verify=False)

    assert_close(s.values, torch.tensor([10.0, 7.0, 4.0]), rtol=1e-5, atol=0)


def test_a_measurement_leaves_no_footprint() -> None:
    def train(*, measured: bool) -> list[Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.2), nn.Linear(6, 2))
        x, y = torch.randn(20, 4), torch.randn(20, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(4):
            optimizer.zero_grad()
            functional.mse_loss(model(x), y).backward()
            if measured:
                eigenvalues(Hessian(Objective(model, functional.mse_loss, (x, y))), k=1, rtol=0.1)
            optimizer.step()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        return [*model.state_dict().values(), *grads, torch.get_rng_state()]

    assert_close(train(measured=True), train(measured=False), rtol=0, atol=0)


def test_the_same_seed_gives_the_same_answer() -> None:
    H = MatrixOperator(planted(SPECTRA["cluster"]), symmetric=True)

    first, second = (eigenvalues(H, seed=3) for _ in range(2))

    assert_close([first.values, first.vectors], [second.values, second.vectors], rtol=0, atol=0)


def test_an_earlier_spectrum_saves_products() -> None:
    matrix = planted([9, 7, 5, *BULK])
    nearby = MatrixOperator(matrix + 1e-3 * planted(BULK + [0.0] * 3, seed=1), symmetric=True)
    cold = eigenvalues(nearby, verify=False)
    before = eigenvalues(MatrixOperator(matrix, symmetric=True), verify=False)

    warm = eigenvalues(nearby, start=before, verify=False)

    assert warm.matvecs < cold.matvecs
    assert_close(warm.values, cold.values, rtol=1e-4, atol=0)


def test_restarts_within_its_memory() -> None:
    matrix = planted([3, 2.9, 2.8, *torch.linspace(-1, 1, 200).tolist()])
    H = MatrixOperator(matrix, symmetric=True)

    small = eigenvalues(H, rtol=1e-9, which="both", k=2, memory=0, verify=False, max_matvecs=500)
    large = eigenvalues(H, rtol=1e-9, which="both", k=2, verify=False)

    assert small.matvecs > large.matvecs
    assert_close(small.values, true_values(matrix, 2, "both"), rtol=1e-8, atol=1e-9)
    assert ((small.values - true_values(matrix, 2, "both")).abs() <= small.errors).all()


def test_acts_on_sums_and_shifts() -> None:
    matrix = planted([5, 4, 3, *BULK])
    H = MatrixOperator(matrix, symmetric=True)

    s = eigenvalues(-2 * H + Identity(H.size, dtype=H.dtype), k=1, which="smallest")

    assert_close(s.values, torch.tensor([-9.0]).double(), rtol=1e-4, atol=0)


def test_prints_as_a_table() -> None:
    s = eigenvalues(MatrixOperator(torch.diag(torch.tensor([3.0, -1.0, 2.0]))), k=2)

    lines = repr(s).splitlines()
    assert lines[0].startswith("2 largest eigenvalues of 3: 3 products, ")
    assert lines[1].split()[:3] == ["1", "3", "±"]
    assert lines[-1] == "complete: the search covered the whole space."
    assert "<td>3</td>" in s._repr_html_()


MATRIX = MatrixOperator(torch.eye(3))


UNCHECKED: Callable[..., Spectrum] = eigenvalues


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (TypeError, "MatrixOperator|parameter 'H'", lambda: UNCHECKED(torch.eye(3))),
        (ValueError, "symmetric", lambda: eigenvalues(MatrixOperator(torch.ones(2, 2).triu()))),
        (ValueError, "1 <= k <= 3.* got k=4", lambda: eigenvalues(MATRIX, k=4)),
        (ValueError, "1 <= k", lambda: eigenvalues(MATRIX, k=0)),
        (ValueError, "`rtol` must lie", lambda: eigenvalues(MATRIX, k=1, rtol=float("nan"))),
        ((TypeError, ValueError), "which", lambda: UNCHECKED(MATRIX, k=1, which="LM")),
        (ValueError, "at least 3", lambda: eigenvalues(MATRIX, k=1, max_matvecs=2)),
        (ValueError, r"shape \(3,\)", lambda: eigenvalues(MATRIX, k=1, start=torch.ones(2))),
        (ValueError, "finite", lambda: eigenvalues(MATRIX, k=1, start=torch.ones(3) / 0)),
    ],
)
def test_refuses_wrong_arguments(
    error: type[Exception], words: str, call: Callable[[], Spectrum]
) -> None:
    with pytest.raises(error, match=words):
        call()
