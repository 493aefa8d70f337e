import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from numpy import ndarray
from torch import Tensor
from typing_extensions import override

import passband as pb
from passband.errors import NonFiniteError, UnconvergedWarning
from passband.operators import Identity, LinearOperator, MatrixOperator
from passband.spectra import Multipliers, multipliers

BULK = np.linspace(-1, 1, 40).tolist()


def planted(values: list[complex], *, skew: float = 10.0, seed: int = 0) -> ndarray:
    """A real matrix with these eigenvalues, and the conjugates of those that are not real.

    Its eigenvectors have the condition number ``skew``.
    """
    blocks = [[[v.real, v.imag], [-v.imag, v.real]] if v.imag else [[v.real]] for v in values]
    D: Any = scipy.linalg.block_diag(*blocks)
    rng = np.random.default_rng(seed)
    U, W = (np.linalg.qr(rng.standard_normal(D.shape))[0] for _ in range(2))
    X = (U * np.geomspace(1, skew, len(D))) @ W
    return X @ D @ np.linalg.inv(X)


def rotated(matrix: ndarray) -> ndarray:
    Q = np.linalg.qr(np.random.default_rng(1).standard_normal(matrix.shape))[0]
    return Q @ matrix @ Q.T


def jordan(size: int) -> ndarray:
    """A Jordan block at 2 among smaller eigenvalues."""
    return rotated(np.diag([2.0] * size + BULK) + np.diag([1.0] * (size - 1) + [0.0] * 40, 1))


MATRICES: dict[str, ndarray] = {
    **{f"skew {s:g}": planted([3, 2.5, 2 + 1j, 1.5, *BULK], skew=s) for s in (1, 10, 1e3, 1e6)},
    **{f"{n} at random": np.random.default_rng(n).standard_normal((n, n)) for n in (1, 2, 3, 5, 8)},
    "pairs": planted([2 + 1j, 1.9 + 1j, -1.8 + 0.5j, *BULK]),
    "cluster": planted([2, 1.999, 1.99, 1.9, *BULK]),
    "repeated": planted([2, 2, 2, 1.9, *BULK]),
    "repeated pair": planted([1 + 2j, 1 + 2j, 1.9, *BULK]),
    "both signs": planted([2, -2, 1.9, *BULK]),
    "jordan": jordan(2),
    "larger jordan": jordan(3),
    "nilpotent": np.diag(np.ones(19), 1),
    "shifted nilpotent": np.diag(np.ones(59), 1) + 0.5 * np.eye(60),
    "cyclic": np.roll(np.eye(30), 1, 0),
    "zero": np.zeros((20, 20)),
    "identity": np.eye(20),
    "rank one": np.outer(np.arange(1.0, 21), np.ones(20)),
    "tiny": 1e-30 * planted([3, 2, *BULK]),
    "huge": 1e30 * planted([3, 2, *BULK]),
}


def operator(matrix: ndarray, dtype: torch.dtype = torch.float64) -> MatrixOperator:
    return MatrixOperator(torch.from_numpy(matrix).to(dtype), symmetric=False)


def true_values(matrix: ndarray) -> ndarray:
    lam = np.linalg.eigvals(matrix)
    return lam[np.argsort(-np.abs(lam), kind="stable")]


@pytest.mark.filterwarnings("ignore::passband.errors.UnconvergedWarning")
@pytest.mark.parametrize("name", MATRICES)
def test_errors_bound_the_true_errors(name: str) -> None:
    for dtype, k in ((torch.float32, 1), (torch.float64, 3)):
        J = operator(MATRICES[name], dtype)
        exact = J.dense().double().numpy()
        truth = true_values(exact)

        found = multipliers(J, k=min(k, J.size))

        values, errors = found.values.numpy().astype(complex), found.errors.double().numpy()
        assert (np.abs(values[:, None] - truth).min(1) <= errors).all()
        # none of larger modulus is missing, or it is said
        moduli = np.abs(np.abs(values) - np.abs(truth[: len(values)]))
        assert not found.verified or (moduli <= errors).all()
        vectors = found.vectors.numpy().astype(complex).T
        residuals = np.linalg.norm(exact @ vectors - vectors * values, axis=0)
        assert (residuals <= found.residuals.numpy() * (1 + 1e-3)).all()
        assert found.matvecs <= 200 + 40 * k


@pytest.mark.parametrize("name", ["skew 1", "skew 10", "pairs", "cluster", "repeated", "jordan"])
def test_converges_where_double_precision_can(name: str) -> None:
    found = multipliers(operator(MATRICES[name]), k=3, rtol=1e-5)

    assert found.converged.all()
    truth = true_values(MATRICES[name])[: len(found.values)]
    assert np.abs(found.values.numpy()) == pytest.approx(np.abs(truth), rel=1e-5)


def test_condition_numbers_are_those_of_the_matrix() -> None:
    matrix = MATRICES["skew 1000"]
    eig: Any = scipy.linalg.eig(matrix, left=True)
    lam, left, right = eig
    conditions = 1 / np.abs((left.conj() * right).sum(0))

    found = multipliers(operator(matrix), k=3, rtol=1e-6)

    nearest = np.abs(found.values.numpy()[:, None] - lam).argmin(1)
    assert found.conditions.numpy() == pytest.approx(conditions[nearest], rel=0.05)


def test_never_divides_a_pair() -> None:
    J = operator(MATRICES["pairs"])

    assert multipliers(J, k=1).values.numpy() == pytest.approx([2 + 1j, 2 - 1j], rel=1e-4)
    assert len(multipliers(J, k=2).values) == 2
    assert len(multipliers(J, k=3).values) == 4


@pytest.mark.filterwarnings("ignore::passband.errors.UnconvergedWarning")
def test_a_defective_value_has_a_large_bar() -> None:
    found = multipliers(operator(MATRICES["larger jordan"], torch.float32), k=3)

    assert not found.converged.any()
    assert (found.residuals < 1e-4).all()  # a residual alone would have hidden it
    assert (found.errors > 1e-3).all()


def test_a_start_in_an_invariant_subspace_hides_nothing() -> None:
    J = operator(np.diag([1.0, 5.0, 2.0, 0.5, 0.1] + [0.0] * 20))
    start = torch.zeros(25, dtype=torch.float64)
    start[0] = 1.0

    assert multipliers(J, k=2, start=start).values.real.tolist() == pytest.approx([5, 2])


def test_restarts_within_its_memory() -> None:
    matrix = planted([3, 2.9, -2.8 + 0.5j, 2.7, *np.linspace(-2.5, 2.5, 120).tolist()], skew=3)

    small = multipliers(operator(matrix), k=4, memory=0, max_matvecs=900)
    large = multipliers(operator(matrix), k=4, max_matvecs=900)

    assert small.converged.all()
    assert np.abs(small.values.numpy()) == pytest.approx(np.abs(large.values.numpy()), rel=1e-4)


def test_earlier_multipliers_save_products() -> None:
    J = operator(MATRICES["skew 10"])
    before = multipliers(J, verify=False)

    warm = multipliers(J, start=before, verify=False)

    assert warm.matvecs < before.matvecs


class OneWay(LinearOperator):
    """A matrix without an adjoint, which may be interrupted at a product."""

    def __init__(self, matrix: ndarray, *, interrupted_at: int | None = None) -> None:
        self.matrix, self.at = torch.from_numpy(matrix), interrupted_at
        self.size, self.dtype, self.device = len(matrix), torch.float64, torch.device("cpu")

    @override
    def _matvec(self, v: Tensor) -> Tensor:
        if self.matvecs == self.at:
            raise KeyboardInterrupt
        return self.matrix @ v


def test_without_an_adjoint_errors_are_backward_errors() -> None:
    found = multipliers(OneWay(MATRICES["skew 10"]))

    assert "backward errors" in found.evidence
    assert torch.equal(found.errors, found.residuals)


@pytest.mark.filterwarnings("ignore::passband.errors.UnconvergedWarning")
@pytest.mark.parametrize("at", range(2, 40, 3))
def test_an_interrupt_returns_what_is_known(at: int) -> None:
    J = OneWay(MATRICES["pairs"], interrupted_at=at)

    found = multipliers(J, k=2)

    vectors = found.vectors.numpy().T
    residuals = np.linalg.norm(J.matrix.numpy() @ vectors - vectors * found.values.numpy(), axis=0)
    assert (residuals <= found.residuals.numpy()).all()
    if J.matvecs == at:
        assert found.interrupted
        assert f"interrupted after {at} products" in found.evidence
        assert not found.verified


def test_an_interrupt_before_anything_is_known_passes() -> None:
    with pytest.raises(KeyboardInterrupt):
        multipliers(OneWay(MATRICES["pairs"], interrupted_at=1))


@pytest.mark.parametrize("limit", [5, 9, 17, 33, 50])
def test_spends_no_more_than_allowed(limit: int) -> None:
    J = operator(MATRICES["cluster"])

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = multipliers(J, max_matvecs=limit)

    assert found.matvecs == J.matvecs <= limit
    assert found.converged.all() or issubclass(caught[0].category, UnconvergedWarning)


def test_products_that_are_not_finite_end_the_search() -> None:
    broken = np.nan * operator(np.eye(5) + np.eye(5, k=1))

    with pytest.raises(NonFiniteError, match=r"a product with <Scaled .* is not finite"):
        multipliers(broken)


def test_a_symmetric_operator_needs_no_adjoint() -> None:
    found = multipliers(MatrixOperator(torch.diag(torch.tensor([3.0, -5.0, 2.0]))), k=2)

    assert found.values.real.tolist() == pytest.approx([-5, 3])
    assert found.conditions.tolist() == [1, 1]
    assert "symmetric" in found.evidence


def test_the_same_seed_gives_the_same_answer() -> None:
    first, second = (multipliers(operator(MATRICES["pairs"]), seed=2) for _ in range(2))

    assert torch.equal(first.values, second.values)
    assert torch.equal(first.vectors, second.vectors)


def test_prints_as_a_table() -> None:
    found = pb.multipliers(operator(MATRICES["pairs"]), k=2)

    lines = repr(found).splitlines()
    assert lines[0].startswith("2 eigenvalues of largest modulus of 46: ")
    assert lines[1].split()[:4] == ["1", "2+1i", "|.|", "2.23607"]
    assert "two-sided" in lines[-1]
    assert "<td>2+1i</td>" in found._repr_html_()


UNCHECKED: Callable[..., Multipliers] = multipliers


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (TypeError, "MatrixOperator|parameter 'J'", lambda: UNCHECKED(torch.eye(3))),
        (ValueError, "1 <= k <= 3.* got k=4", lambda: multipliers(Identity(3), k=4)),
        (ValueError, "1 <= k", lambda: multipliers(Identity(3), k=0)),
        (ValueError, "`rtol` must lie", lambda: multipliers(Identity(3), k=1, rtol=float("nan"))),
        (ValueError, "at least 3", lambda: multipliers(Identity(3), k=1, max_matvecs=2)),
        (ValueError, r"shape \(3,\)", lambda: multipliers(Identity(3), k=1, start=torch.ones(2))),
        (ValueError, "finite", lambda: multipliers(Identity(3), k=1, start=torch.ones(3) / 0)),
    ],
)
def test_refuses_wrong_arguments(
    error: type[Exception], words: str, call: Callable[[], Multipliers]
) -> None:
    with pytest.raises(error, match=words):
        call()
