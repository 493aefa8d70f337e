"""Cycles of steps against products taken one by one."""

import math

import numpy as np
import pytest
from numpy import ndarray
from numpy.testing import assert_allclose

from passband.transients import Blocks, cycle, growth


def steps(seed: int, *, n: int = 3, m: int = 4, size: float = 0.6) -> list[ndarray]:
    rng = np.random.default_rng(seed)
    return [size * rng.standard_normal((n, n)) for _ in range(m)]


def largest_product(matrices: list[ndarray], horizon: int) -> tuple[float, int, int]:
    """The largest norm, entry and length, by brute force."""
    best = (1.0, 0, 0)
    for start in range(len(matrices)):
        product = np.eye(len(matrices[0]))
        for k in range(horizon):
            product = matrices[(start + k) % len(matrices)] @ product
            best = max(best, (float(np.linalg.norm(product, 2)), start, k + 1))
    return best


@pytest.mark.parametrize("seed", range(4))
def test_peak_over_all_entries(seed: int) -> None:
    matrices = steps(seed)

    found = cycle(matrices)

    peak, entry, length = largest_product(matrices, 200)
    assert found.stable
    assert_allclose(found.peak, peak, rtol=1e-9)
    assert (found.entry, found.length) == (entry, length)
    image = found.product(start=entry, length=length) @ found.direction
    assert_allclose(np.linalg.norm(image), peak, rtol=1e-9)
    assert_allclose(found.curve(length, start=entry)[-1], peak, rtol=1e-9)


def test_multipliers_do_not_depend_on_the_entry_and_kreiss_constants_do() -> None:
    found = cycle(steps(1, m=2, size=0.9))

    for start in range(2):
        values = np.linalg.eigvals(found.product(start=start))
        assert_allclose(np.sort(np.abs(values)), np.sort(np.abs(found.multipliers)), rtol=1e-9)
    constants = [k.lower for k in found.kreiss()]
    assert max(constants) > 1.01 * min(constants), found.multipliers
    # of the lifted matrix: the powers of whole cycles are among the products
    assert max(constants) <= found.peak * (1 + 1e-9)


def test_products_of_many_cycles() -> None:
    matrices, expected = steps(2), np.eye(3)
    for k in range(11):
        expected = matrices[(2 + k) % 4] @ expected

    assert_allclose(cycle(matrices).product(start=2, length=11), expected, rtol=1e-12)
    assert_allclose(cycle(matrices).product(length=0), np.eye(3))


def test_settling_holds_from_every_entry() -> None:
    found = cycle(steps(3))

    settled = int(found.settling(1e-2))

    norms = np.array([found.curve(settled + 50, start=s) for s in range(4)])
    assert norms[:, settled:].max() <= 1e-2
    assert norms[:, settled - 1].max() > 1e-2


def test_one_step_is_growth() -> None:
    matrix = np.array([[0.5, 0.0], [4.0, 0.5]])

    assert_allclose(cycle([matrix]).peak, growth(matrix).peak)
    assert_allclose(cycle([matrix]).radius, 0.5, rtol=1e-6)


def test_comparison_matrices_bound_a_cycle_of_systems() -> None:
    classes = [Blocks(a=0.9, b=0.8, c=1.0), Blocks(a=0.7, b=0.95, c=2.0, e=0.001)]

    bound = cycle(classes)

    rng, real = np.random.default_rng(0), list[ndarray]()
    for blocks in classes:
        parts = [[np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(2)] for _ in range(2)]
        real.append(np.block([[blocks.matrix[i, j] * parts[i][j] for j in (0, 1)] for i in (0, 1)]))
    assert cycle(real).radius <= bound.radius
    assert cycle(real).peak <= bound.peak


def test_unstable_and_marginal_cycles() -> None:
    both = cycle([[[0.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]]])

    assert math.isinf(both.peak)
    assert math.isinf(both.settling())
    assert both.entry == 0
    assert "without bound" in str(both)
    assert "from step 2, after 1" in str(cycle([np.eye(1) / 4, [[2.0]]]))


def test_refusals() -> None:
    with pytest.raises(ValueError, match="empty"):
        cycle([])
    with pytest.raises(ValueError, match="one shape"):
        cycle([np.eye(2), np.eye(3)])
    with pytest.raises(ValueError, match="steps\\[1\\]"):
        cycle([np.eye(2), np.full((2, 2), np.nan)])
    with pytest.raises(ValueError, match="`start`"):
        cycle([np.eye(2)]).product(start=1)
    with pytest.raises(ValueError, match="`length`"):
        cycle([np.eye(2)]).product(length=-1)
    with pytest.raises(ValueError, match="`length`"):
        cycle([np.eye(2)]).curve(-1)
