"""How a search ends: interrupted, out of products, on products that are wrong."""

import re
import warnings
from typing import Any

import pytest
import torch
from planted_spectra import BULK, SPECTRA, planted, true_values
from torch import Tensor, nn
from typing_extensions import override

from passband.errors import (
    NonFiniteError,
    NotDeterministicError,
    PassbandError,
    UnconvergedWarning,
)
from passband.operators import LinearOperator, MatrixOperator
from passband.spectra import Step, eigenvalues


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
    H = torch.nan * MatrixOperator(torch.diag(torch.tensor([1.0, 3.0, 2.0])))

    with pytest.raises(NonFiniteError, match=r"a product with <Scaled .* is not finite"):
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

    with pytest.warns(UnconvergedWarning, match=r"`max_matvecs=\d+` would write") as caught:
        s = eigenvalues(H, k=3, max_matvecs=100)
    enough = re.search(r"max_matvecs=(\d+)", str(caught[0].message))
    assert enough is not None
    settled = eigenvalues(H, k=3, max_matvecs=int(enough[1]))
    assert settled.verified
    assert settled.matvecs <= int(enough[1])
    with pytest.warns(UnconvergedWarning):
        timed = eigenvalues(H, k=3, max_seconds=1e3)

    assert s.matvecs <= 100
    assert timed.matvecs <= 100
