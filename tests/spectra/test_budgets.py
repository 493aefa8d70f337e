"""Searches that are stopped, go on, and start warm."""

import pickle
import time
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close
from typing_extensions import override

from passband.errors import UnconvergedWarning
from passband.operators import Hessian, LinearOperator, MatrixOperator
from passband.problem import Objective
from passband.spectra import Spectrum, eigenvalues

VALUES = [5.0, 4.7, 4.4, 4.0, *np.linspace(-2, 3.5, 200).tolist()]


def planted(values: list[float], *, seed: int = 0) -> Tensor:
    n = len(values)
    generator = torch.Generator().manual_seed(seed)
    Q = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0]
    matrix = (Q * torch.tensor(values, dtype=torch.float64)) @ Q.T
    return (matrix + matrix.T) / 2


class Matrix(LinearOperator):
    """A matrix that can be slow, and be interrupted at one product."""

    symmetric = True

    def __init__(self, matrix: Tensor, *, wait: float = 0.0, at: int = 0) -> None:
        self.matrix, self.wait, self.at = matrix, wait, at
        self.size, self.dtype, self.device = len(matrix), matrix.dtype, matrix.device

    @override
    def _matvec(self, v: Tensor) -> Tensor:
        time.sleep(self.wait)
        if self.matvecs == self.at:
            raise KeyboardInterrupt
        return self.matrix @ v


def test_time_runs_out() -> None:
    H = Matrix(planted(VALUES), wait=0.02)

    with pytest.warns(UnconvergedWarning, match="give this spectrum as `start`"):
        s = eigenvalues(H, max_seconds=0.2)

    assert s.interrupted
    assert 3 <= s.matvecs <= 10  # no new product once the time is over
    assert "the search stopped after 0.2" in s.evidence
    assert ((s.values - torch.tensor(VALUES[:3]).double()).abs() <= s.errors).all()


def test_one_product_is_always_made() -> None:
    with pytest.warns(UnconvergedWarning):
        s = eigenvalues(Matrix(planted(VALUES)), k=1, max_seconds=1e-9)

    assert s.matvecs == 1
    assert s.interrupted


def test_enough_time_changes_nothing() -> None:
    plain, timed = (eigenvalues(Matrix(planted(VALUES)), max_seconds=t) for t in (None, 1e3))

    assert not timed.interrupted
    assert timed.unfinished is None
    assert_close([timed.values, timed.vectors], [plain.values, plain.vectors], rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore::passband.errors.UnconvergedWarning")
@pytest.mark.parametrize("at", [2, 5, 12, 20, 22, 23, 29, 32])
def test_an_interrupted_search_goes_on(at: int) -> None:
    matrix = planted(VALUES)
    whole = eigenvalues(Matrix(matrix))
    assert whole.matvecs > 32  # the latest interrupts fall into the second look

    part = eigenvalues(Matrix(matrix, at=at))
    rest = eigenvalues(Matrix(matrix), start=pickle.loads(pickle.dumps(part)))

    assert part.interrupted
    assert part.matvecs + rest.matvecs <= whole.matvecs + 3  # the one interrupted, and a check
    assert rest.verified
    assert rest.converged.all()
    assert_close(rest.values, whole.values, rtol=1e-4, atol=0)


@pytest.mark.filterwarnings("ignore::passband.errors.UnconvergedWarning")
def test_slices_of_products_add_up() -> None:
    matrix = planted(VALUES)
    whole, spent, slices = eigenvalues(Matrix(matrix), k=2), 0, 0
    s: Spectrum | None = None
    while s is None or s.interrupted:
        s = eigenvalues(Matrix(matrix), k=2, start=s, max_matvecs=6)
        spent, slices = spent + s.matvecs, slices + 1

    assert s.converged.all()
    assert slices > 3
    assert spent <= whole.matvecs + slices
    assert_close(s.values, whole.values, rtol=1e-4, atol=0)


@pytest.mark.filterwarnings("ignore::passband.errors.UnconvergedWarning")
def test_what_was_begun_for_another_operator_is_not_continued() -> None:
    begun = eigenvalues(Matrix(planted(VALUES)), max_matvecs=20)
    other = planted(VALUES) + 1e-3 * planted(VALUES, seed=1)

    s = eigenvalues(Matrix(other), start=begun)

    assert ((s.values - torch.linalg.eigvalsh(other).flip(0)[:3]).abs() <= s.errors).all()
    assert s.residuals.max() < 0.1


@pytest.mark.filterwarnings("ignore::passband.errors.UnconvergedWarning")
def test_another_question_can_go_on_from_there() -> None:
    matrix = planted(VALUES)
    begun = eigenvalues(Matrix(matrix), max_matvecs=20)

    s = eigenvalues(Matrix(matrix), start=begun, k=2, which="smallest")

    assert ((s.values - torch.linalg.eigvalsh(matrix)[:2]).abs() <= s.errors).all()


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_refuses_no_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="`max_seconds` must be positive"):
        eigenvalues(MatrixOperator(torch.eye(3)), k=1, max_seconds=seconds)


def test_ten_small_steps_later_an_earlier_spectrum_saves_products() -> None:
    """How many depends on how far the eigenvectors have turned meanwhile."""
    from sklearn.datasets import load_digits

    torch.manual_seed(0)
    digits: Any = load_digits(return_X_y=True)
    x, y = torch.from_numpy(digits[0]).float() / 8 - 1, torch.from_numpy(digits[1])
    layers = [nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 10)]
    model = nn.Sequential(*layers)

    def train(steps: int, *, lr: float, momentum: float = 0.0) -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
        for _ in range(steps):
            pick = torch.randint(0, len(x), (128,))
            optimizer.zero_grad()
            functional.cross_entropy(model(x[pick]), y[pick]).backward()
            optimizer.step()

    def measure(start: Spectrum | None = None) -> Spectrum:
        H = Hessian(Objective(model, functional.cross_entropy, (x, y)))
        return eigenvalues(H, k=5, start=start, verify=False)

    train(300, lr=0.05, momentum=0.9)
    before = measure()
    train(10, lr=0.003)
    cold, warm = measure(), measure(before)

    assert warm.matvecs <= 0.85 * cold.matvecs
    assert_close(warm.values, cold.values, rtol=2e-4, atol=0)
