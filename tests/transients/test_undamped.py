"""Iterations and flows that nothing damps, or hardly: rotations seen in skew coordinates.

A rotation sheared by s has projectors of norm ``(s + 1/s) / 2``, which is its Kreiss constant.
"""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import scipy.linalg
from numpy import ndarray
from numpy.testing import assert_allclose

from passband.transients import distance_to_instability, growth, kreiss
from passband.transients.dense.matrices import Time
from passband.transients.dense.powers import Node, Tree


def rotation(angle: float) -> ndarray:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def sheared(A: ndarray, s: float) -> ndarray:
    """The matrix in coordinates stretched by 1, …, s."""
    stretch = np.geomspace(1, s, len(A))
    return stretch[:, None] * A / stretch


def skew(blocks: list[ndarray], s: float) -> ndarray:
    """Blocks on the diagonal, in coordinates stretched along random directions."""
    A = np.asarray(scipy.linalg.block_diag(*blocks))
    left, right = np.linalg.qr(np.random.default_rng(0).standard_normal((2, len(A), len(A))))[0]
    basis = left @ np.diag(np.geomspace(1, s, len(A))) @ right
    return basis @ A @ np.linalg.inv(basis)


def searched(A: ndarray, time: Time) -> float:
    """The largest ``x / σ_min(zI − A)`` on a grid of both coordinates, fine at the eigenvalues."""
    x = np.geomspace(1e-6, 10, 40)[:, None]
    values = np.linalg.eigvals(A)
    if time == "discrete":
        t = np.concatenate([np.linspace(0, np.pi, 100), np.angle(values)])
        z = (1 + x) * np.exp(1j * t)
    else:
        z = x + 1j * np.concatenate([np.linspace(0, 3, 100), values.imag])
    sigma = np.linalg.svd(z[..., None, None] * np.eye(len(A)) - A)[1][..., -1]
    return float((x / sigma).max())


@pytest.mark.parametrize("angle", [0.05, 0.6, 1.0, 2.9])
@pytest.mark.parametrize("s", [1.01, 1.1, 1.7, 8.0])
def test_the_constant_of_a_sheared_rotation(angle: float, s: float) -> None:
    A = sheared(rotation(angle), s)

    found = kreiss(A)

    constant = (s + 1 / s) / 2
    assert found.lower * (1 - 1e-9) <= constant <= found.upper * (1 + 1e-9)
    assert found.upper <= found.lower * (1 + 1e-6)
    assert found.evaluations <= (60 if angle > 0.5 else 150)  # slow rotations are almost flows


@pytest.mark.parametrize("angles", [[0.6, 1.9], [1.0, 1.05], [0.3, 1.1, 2.5], [0.3, 0.0]])
@pytest.mark.parametrize("s", [1.1, 1.7, 10.0])
@pytest.mark.parametrize("time", ["discrete", "continuous"])
def test_several_rotations(angles: list[float], s: float, time: Time) -> None:
    turn = rotation(np.pi / 2)
    A = skew([rotation(a) if time == "discrete" else a * turn for a in angles], s)

    found = kreiss(A, rtol=1e-4, time=time)

    assert "marginal" in found.note
    assert found.lower * (1 - 2e-4) <= searched(A, time) <= found.upper * (1 + 1e-9)
    assert found.upper <= found.lower * (1 + 1e-4)
    assert found.evaluations <= 70


@pytest.mark.parametrize("s", [1.02, 1.2])
def test_a_constant_near_one_that_is_nearly_attained_over_decades(s: float) -> None:
    A = sheared(rotation(1.0), s) * (1 - 1e-3)

    found = kreiss(A)

    assert searched(A, "discrete") <= found.upper <= found.lower * (1 + 1e-6)
    assert found.evaluations <= 60


@pytest.mark.parametrize("s", [1.1, 1.7])
def test_a_flow_attains_its_constant_over_a_whole_range(s: float) -> None:
    A = sheared(rotation(np.pi / 2), s)

    found = kreiss(A, rtol=1e-4, time="continuous")

    constant = (s + 1 / s) / 2
    assert found.lower * (1 - 1e-9) <= constant <= found.upper <= found.lower * (1 + 1e-4)
    assert found.evaluations <= 200


def largest_norm(A: ndarray, count: int) -> float:
    """The largest norm of the first powers, by their eigenvectors."""
    values, vectors = np.linalg.eig(A)
    powers = values ** np.arange(count)[:, None]
    return float(
        np.linalg.norm((vectors * powers[:, None, :]) @ np.linalg.inv(vectors), 2, (1, 2)).max()
    )


@pytest.fixture
def divided(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The nodes that searches divide, one a range of powers."""
    seen: list[int] = []
    halves = Tree._halves

    def counted(self: Tree, node: Node) -> Iterator[Node]:
        seen.append(node.start)
        return halves(self, node)

    monkeypatch.setattr(Tree, "_halves", counted)
    return seen


@pytest.mark.parametrize("damping", [1e-3, 1e-5, 1e-6, 1e-8])
def test_the_peak_of_a_lightly_damped_rotation(damping: float, divided: list[int]) -> None:
    A = sheared(rotation(1.0), 3.0) * (1 - damping)

    found = growth(A)

    # never above cond(V) = 3, and by then damped below what was reached before
    assert_allclose([found.peak, found.bound], largest_norm(A, 3000), rtol=1e-9)
    assert len(divided) <= 2500


@pytest.mark.parametrize("s", [1.2, 100.0])
@pytest.mark.parametrize("dampings", [[1e-5, 1e-5], [1e-4, 1e-6], [1e-7, 1e-3], [0, 1e-5]])
def test_the_peak_of_two_lightly_damped_rotations(
    s: float, dampings: list[float], divided: list[int]
) -> None:
    blocks = [(1 - d) * rotation(a) for d, a in zip(dampings, [1.0, 0.7], strict=True)]
    A = skew(blocks, s)

    found = growth(A)

    truth = largest_norm(A, 5000)
    assert_allclose(found.peak, truth, rtol=1e-6)
    assert truth <= found.bound * (1 + 1e-9)
    assert found.bound <= s * (1 + 1e-9)  # cond(V)
    assert len(divided) <= 15000


def test_the_peak_of_an_undamped_rotation_is_bounded_by_its_condition() -> None:
    found = growth(sheared(rotation(1.0), 3.0))

    assert_allclose([found.peak, found.bound], 3, rtol=1e-4)
    assert found.peak <= found.bound <= 3 * (1 + 1e-9)


def test_a_flow_that_stands_still() -> None:
    still = np.zeros((2, 2))

    found, constant = growth(still, time="continuous"), kreiss(still, time="continuous")

    assert (found.peak, found.bound, found.time) == (1, 1, 0)
    assert (constant.lower, constant.upper) == (1, 1)
    assert distance_to_instability(still, time="continuous") == 0


def test_numbers_whose_squares_overflow_are_refused() -> None:
    with pytest.raises(ValueError, match="norm of at most 1e\\+150"):
        kreiss([[0.5, 1e200], [0, 0.5]])
