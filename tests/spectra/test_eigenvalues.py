import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close
from typing_extensions import override

from passband.errors import (
    NonFiniteError,
    NotDeterministicError,
    PassbandError,
    UnconvergedWarning,
)
from passband.operators import Hessian, Identity, LinearOperator, MatrixOperator
from passband.problem import Objective
from passband.spectra import Spectrum, Step, eigenvalues
from passband.spectra.results import Which

WHICH: tuple[Which, ...] = ("largest", "smallest", "magnitude", "both")
BULK = torch.linspace(-1, 1, 60).tolist()

SPECTRA: dict[str, list[float]] = {
    **{f"{n} at random": torch.randn(n, generator=torch.Generator().manual_seed(n)).tolist()
       for n in (1, 2, 3, 4, 5, 8, 13, 21, 30)},
    "tight cluster": [10, 9.9999, 9.999, 9.99, 5, *BULK],
    "cluster": [10, 9.95, 9.9, 4, *BULK],
    "loose cluster": [10, 9.7, 9.5, 4, *BULK],
    "repeated": [10, 10, 10, 8, 6, *BULK],
    "repeated below": [10, 10, 8, 6, 6, 6, *BULK],
    "huge gaps": [1e6, 1e3, 1, 0.5, *(0.1 * x for x in BULK)],
    "negative of largest magnitude": [-100, 5, 4, 3, 2, *BULK],
    "rank three": [3, 2, 1, *[0.0] * 60],
    "rank one": [3, *[0.0] * 40],
    "zero": [0.0] * 20,
    "identity": [2.0] * 20,
    "one negative": [-1.0, *[0.0] * 20],
    "fast decay": [2.0**-i for i in range(40)],
    "slow decay": [(i / 50) ** 6 for i in range(80)],
    "negative definite": [-1.0 - i for i in range(40)],
    "tiny": [1e-30 * i for i in range(20)],
    "huge": [1e30 * i for i in range(20)],
}  # fmt: skip


def planted(values: list[float], *, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    """A symmetric matrix with these eigenvalues and random eigenvectors."""
    lam, n = torch.tensor(values, dtype=torch.float64), len(values)
    generator = torch.Generator().manual_seed(seed)
    Q = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0]
    matrix = (Q * lam) @ Q.T
    return ((matrix + matrix.T) / 2).to(dtype)


def true_values(matrix: Tensor, k: int, which: Which) -> Tensor:
    lam = torch.linalg.eigvalsh(matrix.double())
    ends = {
        "largest": lam.flip(0)[:k],
        "smallest": lam[:k],
        "magnitude": lam[lam.abs().argsort(descending=True)][:k],
        "both": torch.cat([lam.flip(0)[:k], lam[:k]]),
    }
    return ends[which]


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


def test_too_few_products_are_said() -> None:
    H = MatrixOperator(planted(SPECTRA["slow decay"]), symmetric=True)

    with pytest.warns(UnconvergedWarning, match="did not reach rtol=0.0001 in 8 products"):
        s = eigenvalues(H, max_matvecs=8)

    assert s.matvecs == 8
    assert not s.converged.all()
    assert ((s.values - true_values(H.dense(), 3, "largest")).abs() <= s.errors).all()
    assert "not converged" in repr(s)


class Interrupted(LinearOperator):
    """A matrix whose product number ``at`` is interrupted by its user."""

    symmetric = True

    def __init__(self, matrix: Tensor, at: int) -> None:
        self.matrix, self.at = matrix, at
        self.size, self.dtype, self.device = len(matrix), matrix.dtype, matrix.device

    @override
    def _matvec(self, v: Tensor) -> Tensor:
        if self.matvecs == self.at:
            raise KeyboardInterrupt
        return self.matrix @ v


@pytest.mark.parametrize("at", range(2, 20))
def test_an_interrupt_returns_what_is_known(at: int) -> None:
    matrix = planted(SPECTRA["cluster"])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnconvergedWarning)
        s = eigenvalues(Interrupted(matrix, at), k=3)

    k = len(s.values)
    residuals = (matrix @ s.vectors.T - s.vectors.T * s.values).norm(dim=0)
    assert k == min(3, at - 1)
    assert (residuals <= s.residuals + 1e-12).all()
    assert "interrupted" in s.evidence or at > 14
    assert not s.verified or at > 14


def test_an_interrupt_before_anything_is_known_passes() -> None:
    with pytest.raises(KeyboardInterrupt):
        eigenvalues(Interrupted(planted(BULK), 1))


def test_progress_is_told() -> None:
    steps: list[Step] = []

    s = eigenvalues(
        MatrixOperator(planted(SPECTRA["cluster"]), symmetric=True), progress=steps.append
    )

    assert [step.matvecs for step in steps] == list(range(1, s.matvecs + 1))
    assert {step.phase for step in steps} == {"searching", "verifying"}
    assert steps[-1].values == pytest.approx(s.values.tolist())


def test_products_that_are_not_finite_end_the_search() -> None:
    H = MatrixOperator(torch.diag(torch.tensor([1.0, torch.nan, 2.0])), symmetric=True)

    with pytest.raises(NonFiniteError, match=r"a product with <MatrixOperator .* is not finite"):
        eigenvalues(H, k=1)


class Fickle(LinearOperator):
    symmetric = True

    def __init__(self, matrix: Tensor) -> None:
        self.matrix, self.size = matrix, len(matrix)
        self.dtype, self.device = matrix.dtype, matrix.device

    @override
    def _matvec(self, v: Tensor) -> Tensor:
        return self.matrix @ v * (1 + self.matvecs % 2)


def test_products_that_change_end_the_search() -> None:
    with pytest.raises(NotDeterministicError, match="two products for one vector"):
        eigenvalues(Fickle(planted(SPECTRA["cluster"])))


def test_products_that_are_not_symmetric_end_the_search() -> None:
    matrix = planted(BULK) + torch.randn(60, 60).double()

    with pytest.raises(PassbandError, match=r"is not symmetric.*set `symmetric=False`"):
        eigenvalues(MatrixOperator(matrix, symmetric=True))


def test_a_model_instead_of_an_operator_is_told_what_to_write() -> None:
    model: Any = nn.Linear(2, 1)
    with pytest.raises(TypeError, match=r"Hessian\(Objective\(model, loss, data\)\)"):
        eigenvalues(model)


class Rounding(LinearOperator):
    """A matrix in single precision that rounds by ``level`` in what is amplified most."""

    symmetric = True

    def __init__(self, matrix: Tensor, level: float) -> None:
        self.matrix, self.size, self.level = matrix.float(), len(matrix), level
        self.dtype, self.device = torch.float32, matrix.device

    @override
    def _matvec(self, v: Tensor) -> Tensor:
        product = self.matrix @ v
        return product + self.level * product.norm() * torch.sin(1e9 * v) / self.size**0.5


@pytest.mark.parametrize("seed", range(3))
def test_rounding_that_a_preconditioner_amplifies_is_in_the_bars(seed: int) -> None:
    matrix = planted([5, 4, 3, *BULK], seed=seed)

    with pytest.warns(UnconvergedWarning):
        s = eigenvalues(Rounding(matrix, 2e-2), k=2)

    assert bool(((s.values - torch.tensor([5.0, 4.0])).abs() <= s.errors).all())


def crowded(n: int, dtype: torch.dtype) -> Tensor:
    """Both ends are so near to the rest that 12 products leave them open."""
    values = torch.linspace(-1, 1, n, dtype=torch.float64) ** 3
    return planted(values.tolist()).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("which", ["largest", "smallest", "both", "magnitude"])
def test_what_searches_leave_open_in_small_operators_is_written_out(
    which: Any, dtype: torch.dtype
) -> None:
    matrix = crowded(101, dtype)
    truth = torch.linalg.eigvalsh(matrix.double())
    order = {
        "largest": truth.flip(0),
        "smallest": truth,
        "magnitude": truth[truth.abs().argsort(descending=True)],
        "both": torch.cat([truth.flip(0)[:3], truth[:3]]),
    }[which][: 6 if which == "both" else 3]

    s = eigenvalues(MatrixOperator(matrix), k=3, which=which)

    assert s.evidence == "complete: 101 of the products wrote out the whole matrix."
    assert s.verified
    assert bool(s.converged.all())
    assert s.matvecs <= 160
    assert bool(((s.values.double().abs() - order.abs()).abs() <= s.errors).all())
    moved = matrix @ s.vectors.T - s.vectors.T * s.values
    assert bool((moved.norm(dim=0) <= s.residuals * (1 + 1e-9)).all())


def test_a_budget_is_kept_where_writing_out_would_break_it() -> None:
    H = MatrixOperator(crowded(101, torch.float64))

    with pytest.warns(UnconvergedWarning, match=r"Ask for more values"):
        s = eigenvalues(H, k=3, max_matvecs=100)
    with pytest.warns(UnconvergedWarning):
        timed = eigenvalues(H, k=3, max_seconds=1e3)

    assert s.matvecs <= 100
    assert timed.matvecs <= 100


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
