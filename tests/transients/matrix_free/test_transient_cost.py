"""What a transient costs, what it refuses, and that its bars hold."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from far_from_normal_steps import RTOL, far_from_normal, swept
from numpy import ndarray
from torch.testing import assert_close

from passband.operators import MatrixOperator
from passband.transients.matrix_free import transient


def test_refuses_wrong_arguments() -> None:
    J = MatrixOperator(torch.eye(4) / 2)

    with pytest.raises(ValueError, match="`steps`"):
        transient(J, steps=0)
    with pytest.raises(ValueError, match="`rtol`"):
        transient(J, rtol=math.nan)
    for parts in ([1, 2], {"x": slice(0, 2), "y": slice(3, 4)}, [0, 4], {"x": slice(0, 4, 2)}):
        with pytest.raises(ValueError, match="`parts` must divide 4 entries"):
            transient(J, parts=parts)


def test_the_same_seed_gives_the_same() -> None:
    first, second = swept(far_from_normal(70), seed=3), swept(far_from_normal(70), seed=3)

    assert first.peak == second.peak
    assert torch.equal(first.direction, second.direction)


def gaussian(seed: int) -> ndarray:
    matrix = np.random.default_rng(seed).normal(size=(80, 80))
    return 0.95 * matrix / np.abs(np.linalg.eigvals(matrix)).max()


def triangular(seed: int) -> ndarray:
    rng = np.random.default_rng(seed)
    above = np.triu(0.12 * rng.normal(size=(80, 80)), 1)
    return above + np.diag(rng.uniform(-0.9, 0.95, 80))


@pytest.mark.parametrize("make", [gaussian, triangular])
@pytest.mark.parametrize("rtol", [1e-2, 1e-3])
def test_the_bar_of_the_growth_holds_it_where_powers_share_no_directions(
    make: Callable[[int], ndarray], rtol: float
) -> None:
    for seed in range(3):
        A = make(seed)
        norms, power = [1.0], np.eye(80)
        while norms[-1] > 0.01:
            power = A @ power
            norms.append(float(np.linalg.norm(power, 2)))
        found = transient(MatrixOperator(torch.from_numpy(A)), rtol=rtol)

        assert not found.exact
        assert found.peak <= max(norms) * (1 + 1e-9)
        assert max(norms) - found.peak <= found.peak_error


def test_settled_means_for_good() -> None:
    """Its powers fall below 1e-3 at step 868 and rise above it once more."""
    B = np.array([[1, 2], [0, 0.5]])
    J = np.block([[0.998 * np.eye(2), -0.01 * B], [0.8 * B.T, 0.94 * np.eye(2)]])
    norms = [float(np.linalg.norm(np.linalg.matrix_power(J, k), 2)) for k in range(1200)]
    small = np.array(norms) <= 1e-3
    first, last = int(small.argmax()), int(np.nonzero(~small)[0][-1]) + 1
    assert first < last

    found = transient(MatrixOperator(torch.from_numpy(J)))

    assert found.settling == last
    assert f"below 1e-3 after  {last} steps" in str(found)


@pytest.mark.parametrize(("n", "radius"), [(90, 1.02), (150, 0.98)])
def test_no_search_costs_more_than_twice_the_matrix(n: int, radius: float) -> None:
    generator = torch.Generator().manual_seed(0)
    A = torch.randn(n, n, generator=generator, dtype=torch.float64)
    J = MatrixOperator(A * (radius / torch.linalg.eigvals(A).abs().max()))

    found = transient(J, steps=400)

    assert n < found.products == J.matvecs <= 2 * n
    exact = torch.linalg.matrix_norm(torch.linalg.matrix_power(J.dense(), found.step), 2)
    assert_close(found.peak, float(exact), rtol=RTOL, atol=0.0)
    assert abs(found.radius - radius) <= found.radius_error
    assert found.step <= found.horizon


def test_larger_operators_are_left_as_products() -> None:
    n = 1100
    J = MatrixOperator(torch.diag(torch.linspace(0.1, 0.95, n)))

    assert transient(J).products != 2 * n
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MatrixOperator, "dense", None)
        transient(J)  # never asks for the matrix
