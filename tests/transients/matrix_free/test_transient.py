"""Transients from products alone, against matrices that can be decomposed."""

import math
import warnings
from typing import Any, final

import numpy as np
import pytest
import torch
from far_from_normal_steps import RTOL, far_from_normal, swept
from numpy import ndarray
from torch import Tensor
from torch.testing import assert_close
from typing_extensions import override

import passband as pb
from passband.operators import LinearOperator, MatrixOperator, UpdateJacobian
from passband.transients import growth, kreiss
from passband.transients.matrix_free import transient


def coupled(n: int, *, g: float = 20.0, lr: float = 0.05) -> ndarray:
    """Two descending players, the first driving the second."""
    rng, half = np.random.default_rng(0), n // 2
    P, R = (np.diag(rng.uniform(low, 2, half)) for low in (0.3, 1.0))
    C = rng.standard_normal((half, half))
    return np.eye(n) - lr * np.block([[P, np.zeros_like(P)], [g * C / np.linalg.norm(C, 2), R]])


def rotating(n: int) -> ndarray:
    """Transient demo as a real matrix: worst near -1."""
    cycle = np.roll(np.eye(n), 1, axis=1)
    A = 0.4 * (np.diag(np.exp(2j * np.pi * np.arange(n) / n)) + cycle) - 0.5 * np.eye(n)
    return np.block([[A.real, -A.imag], [A.imag, A.real]])


def vanishing(n: int) -> ndarray:
    """Grows to 64 in six steps and is soon gone."""
    return np.diag(np.where(np.arange(n - 1) < 6, 2.0, 0.1), -1)


def game(n: int) -> ndarray:
    """A zero-sum game: rotation, and next to no growth."""
    rng, half = np.random.default_rng(0), n // 2
    P, R = np.diag(rng.uniform(0.02, 1, half)), np.diag(rng.uniform(0.5, 1, half))
    coupling = rng.standard_normal((half, half))
    Q = 3 * coupling / np.linalg.norm(coupling, 2)
    return np.eye(n) - 0.05 * np.block([[P, Q], [-Q.T, R]])


def random(n: int, seed: int) -> ndarray:
    """Grows twofold in every direction alike: the worst one says little about the worst z."""
    A = np.random.default_rng(seed).standard_normal((n, n))
    return (0.9 + 0.005 * seed) * A / np.abs(np.linalg.eigvals(A)).max()


CASES = {
    "coupled": coupled(70),
    "rotating": rotating(20),
    "far from normal": far_from_normal(66),
    "vanishing": vanishing(66),
    "game": game(66),
    "random": random(80, 8),
    "random, nearer the edge": random(80, 10),
    "random, worst off the axis": random(80, 4),
}


@pytest.mark.parametrize("A", CASES.values(), ids=CASES.keys())
def test_peak_radius_and_constant_are_those_of_the_matrix(A: ndarray) -> None:
    exact, K = growth(A), kreiss(A, rtol=1e-3)

    found = swept(A)

    # lower bounds by construction, close by convergence
    assert exact.peak * (1 - RTOL) <= found.peak <= exact.peak * (1 + 1e-9)
    assert found.settled
    assert K.lower * 0.97 <= found.kreiss.lower <= K.upper * (1 + 1e-9)
    assert K.lower <= found.kreiss.upper * (1 + RTOL)
    radius = np.abs(np.linalg.eigvals(A)).max()
    # of eigenvalues nearly as far out, the search may miss the outermost
    assert found.radius - found.radius_error - 1e-12 <= radius <= found.radius_bound
    assert found.radius + found.radius_error >= radius - 2e-3
    power, v = np.eye(len(A)), found.direction.numpy()
    for k, bound in enumerate(found.curve.tolist()):
        if k == found.step:
            assert_close(torch.from_numpy(power @ v), found.response)
            assert_close(float(np.linalg.norm(power @ v)), found.peak)
        if k % 7 == 0:
            assert bound <= np.linalg.norm(power, 2) * (1 + 1e-9)
        power = A @ power


@final
class Pairs(LinearOperator):
    """Many systems ``[[a, 0], [c, b]]`` side by side."""

    def __init__(self, n: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.a, self.b, self.c = (
            low + (high - low) * torch.rand(n, generator=generator)
            for low, high in ((0.1, 0.6), (0.1, 0.7), (0.0, 5.0))
        )
        self.size, self.dtype, self.device = 2 * n, torch.float32, torch.device("cpu")

    @override
    def _matvec(self, v: Tensor) -> Tensor:
        x, y = v.chunk(2)
        return torch.cat([self.a * x, self.b * y + self.c * x])

    @override
    def _rmatvec(self, v: Tensor) -> Tensor:
        x, y = v.chunk(2)
        return torch.cat([self.a * x + self.c * y, self.b * y])

    def norm(self, k: int) -> float:
        """The largest norm of the k-th powers, each in closed form."""
        a, b, c = self.a.double(), self.b.double(), self.c.double()
        s = c * (a**k - b**k) / (a - b)
        squares = ((a**k + b**k) ** 2 + s**2).sqrt() + ((a**k - b**k) ** 2 + s**2).sqrt()
        return float(squares.max()) / 2


def test_many_entries_in_single_precision() -> None:
    J = Pairs(2_000)
    exact = max(J.norm(k) for k in range(1, 12))

    found = transient(J, parts=[2_000, 2_000])

    assert exact * (1 - RTOL) <= found.peak <= exact * (1 + 1e-5)
    assert [share.name for share in found.parts] == ["0", "1"]
    assert found.blocks is not None
    N = found.blocks.matrix
    assert_close(N[1, 0], float(J.c.max()), rtol=1e-2, atol=0.0)
    assert found.kreiss.lower <= found.kreiss.upper <= found.blocks.kreiss * (1 + 1e-9)


@pytest.mark.parametrize("A", [coupled(40), rotating(8), game(20)], ids=["coupled", "rot", "game"])
def test_forming_the_matrix_gives_the_same(A: ndarray) -> None:
    J = MatrixOperator(torch.from_numpy(A))

    dense, loop = transient(J, dense=True), transient(J, dense=False)

    assert dense.exact
    assert not loop.exact
    assert dense.products == len(A)
    assert_close(dense.peak, growth(A).peak, rtol=1e-9, atol=0.0)
    assert_close(loop.peak, dense.peak, rtol=RTOL, atol=0.0)
    assert_close(loop.radius, dense.radius, rtol=1e-4, atol=0.0)
    assert loop.settling == pytest.approx(dense.settling, rel=0.05, abs=1)
    assert dense.kreiss.upper <= dense.kreiss.lower * (1 + 1.1e-3)
    sizes = np.linalg.svd(np.linalg.matrix_power(A, loop.step), compute_uv=False)
    if sizes[1] < 0.9 * sizes[0]:  # else several directions are equally bad
        assert float(torch.dot(dense.direction, loop.direction).abs()) > 0.9


def test_an_unstable_step_has_no_constant_but_grows() -> None:
    A = coupled(80)
    A[0, 0] = 1.01
    for dense in (True, False):
        found = transient(MatrixOperator(torch.from_numpy(A)), dense=dense, steps=200)

        assert found.unstable
        assert not found.stable
        assert math.isinf(found.kreiss.lower)
        assert "infinite: unstable" in repr(found)
        exact = max(np.linalg.norm(np.linalg.matrix_power(A, k), 2) for k in (1, 50, 199, 200))
        assert_close(found.peak, exact, rtol=RTOL, atol=0.0)
        assert found.step == 200
        assert math.isinf(found.settling)


@pytest.mark.filterwarnings("error")
def test_growth_beyond_all_measure_ends_early() -> None:
    found = swept(10 * np.eye(90), steps=1000)

    assert found.peak >= 1e12
    assert found.horizon < 1000
    assert_close(found.radius, 10.0)


def test_a_horizon_that_is_too_short_says_so() -> None:
    found = swept(coupled(100, lr=0.001), steps=100)

    assert not found.settled
    assert "Raise `steps`" in repr(found)
    assert found.step == 100


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize(
    "A", [np.zeros((3, 3)), 0.5 * np.eye(4), np.array([[0.3]]), np.diag([0.9, -0.9, 0.1])]
)
def test_no_transient(A: ndarray, dense: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = transient(MatrixOperator(torch.from_numpy(A)), dense=dense)

    assert found.stable
    assert_close((found.peak, found.kreiss.lower, found.step), (1.0, 1.0, 0))
    assert_close(found.kreiss.upper, 1.0, rtol=1e-3, atol=0.0)


def two_players(n: int) -> UpdateJacobian:
    coupling = torch.eye(n, dtype=torch.float64) * torch.linspace(1, 10, n)

    def step(s: dict[str, Any]) -> dict[str, Any]:
        x, y = s["driver"], s["driven"]
        return {
            "driver": x - 0.1 * x,
            "driven": {"layer": y["layer"] - 0.2 * (y["layer"] - coupling @ x), "bias": y["bias"]},
        }

    zeros = torch.zeros(n, dtype=torch.float64)
    half = 0.5 * torch.ones(3, dtype=torch.float64)
    return UpdateJacobian(step, {"driver": zeros, "driven": {"layer": zeros + 1, "bias": half}})


@pytest.mark.parametrize("n", [5, 60])
def test_the_worst_perturbation_is_split_by_player_and_layer(n: int) -> None:
    found = pb.transient(two_players(n))

    (driver, driven), leaves = found.parts, {leaf.name: leaf for leaf in found.leaves}
    assert (driver.name, driven.name) == ("driver", "driven")
    assert found.trust == pytest.approx(1 / found.peak**2)
    assert driver.start > 0.9
    assert driven.peak > 0.9
    assert_close(leaves["driven.layer"].peak + leaves["driven.bias"].peak, driven.peak)
    assert leaves["driven.bias"].peak < 1e-6
    assert "driven.layer" in repr(found)
    assert found.movement == pytest.approx(0.2 * math.sqrt(n))
