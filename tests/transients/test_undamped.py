"""Iterations and flows that nothing damps, or hardly: rotations seen in skew coordinates.

A rotation sheared by s has projectors of norm ``(s + 1/s) / 2``, which is its Kreiss constant.
"""

import math

import numpy as np
import pytest
import scipy.linalg
from numpy import ndarray

from passband.transients import kreiss
from passband.transients.dense.matrices import Time


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
