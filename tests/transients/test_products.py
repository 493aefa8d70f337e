"""Products of different systems against their comparison matrices."""

import numpy as np
import pytest
from numpy import ndarray
from numpy.testing import assert_allclose

from passband.transients import Blocks, Comparison, any_order, product_bounds

SIZES = (2, 3, 1)


def system(rng: np.random.Generator) -> ndarray:
    J = rng.standard_normal((6, 6))
    return 0.9 * J / np.linalg.norm(J, 2) * rng.uniform(0.3, 1.2)


@pytest.mark.parametrize("seed", range(5))
def test_products_are_dominated(seed: int) -> None:
    """Theorem 1, time-varying: ``‖J_k ⋯ J_1‖ ≤ ‖N_k ⋯ N_1‖ ≤ ‖Nᵏ‖``, N the entrywise largest."""
    rng = np.random.default_rng(seed)
    systems = [system(rng) for _ in range(12)]
    classes = [Comparison.of(J, sizes=SIZES, bound="powers") for J in systems]

    bounds, order = product_bounds(classes), any_order(classes)

    product, power = np.eye(6), np.eye(3)
    for k, J in enumerate(systems, 1):
        product, power = J @ product, order.matrix @ power
        assert np.linalg.norm(product, 2) <= bounds[k] * (1 + 1e-12)
        assert bounds[k] <= np.linalg.norm(power, 2) * (1 + 1e-12)
    assert bounds[0] == 1


def test_the_bound_is_attained_by_the_comparison_matrices() -> None:
    classes = [Blocks(a=0.9, b=0.5, c=2.0), Blocks(a=0.2, b=0.8, c=0.0, e=0.3)]

    bounds = product_bounds(classes)

    assert_allclose(bounds[2], np.linalg.norm(classes[1].matrix @ classes[0].matrix, 2))
    assert any_order(classes).peak >= bounds.max()


def test_any_order_bounds_shuffled_products() -> None:
    rng = np.random.default_rng(1)
    systems = [0.6 * system(rng) for _ in range(3)]
    classes = [Comparison.of(J, sizes=SIZES, bound="powers") for J in systems]
    order = any_order(classes)

    product, largest = np.eye(6), 1.0
    for k in rng.integers(0, 3, 60):
        product = systems[k] @ product
        largest = max(largest, float(np.linalg.norm(product, 2)))

    assert order.stable
    assert largest <= order.peak
    assert np.linalg.norm(product, 2) <= 1e-3 or order.steps() > 60


def test_refusals() -> None:
    with pytest.raises(ValueError, match="empty"):
        product_bounds([])
    with pytest.raises(TypeError, match=r"Comparison\.of"):
        product_bounds([np.eye(2)])
    with pytest.raises(ValueError, match="as many blocks"):
        any_order([Blocks(a=0.5, b=0.5, c=1.0), Comparison(np.eye(3) / 2)])
