"""Coupled systems that change from step to step: products of different Jacobians."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from passband._shapes import Float
from passband.transients.blocks.comparison import Comparison
from passband.transients.blocks.two import Blocks
from passband.transients.dense.matrices import norm


def product_bounds(classes: Sequence[Any]) -> Float[ndarray, " k"]:
    """Return upper bounds of ``‖J_k ⋯ J_1‖`` for k = 0, 1, …: ``‖N_k ⋯ N_1‖``.

    Every step has its own class of systems, and may be any member of it: Jacobians along a
    trajectory, outside the basin in which one of them tells everything. Norms of the diagonal
    blocks are needed, not numerical radii: `Comparison.of` with ``bound="powers"``; radii are
    the norms of normal blocks. Attained, by the comparison matrices themselves.

    Args:
        classes: One for each step, in the order of time, of as many blocks each.

    Raises:
        TypeError: If one is neither `Blocks` nor `Comparison`.
        ValueError: If there is none, or they differ in their number of blocks.

    Example:
        >>> first, second = Blocks(a=0.5, b=0.5, c=4.0), Blocks(a=0.5, b=0.5, c=0.0)
        >>> product_bounds([first, second]).round(4)
        array([1. , 4.0616, 2.0308])

    References:
        Ostrowski, J. Math. Anal. Appl. 2, 1961: norms of blocks are dominated by comparison
        matrices, in sums and products.
    """
    matrices = _matrices(classes)
    product, bounds = np.eye(len(matrices[0])), [1.0]
    for matrix in matrices:
        product = matrix @ product
        bounds.append(norm(product))
    return np.array(bounds)


def any_order(classes: Sequence[Any]) -> Comparison:
    """Return the class that holds every system of several classes.

    Its `Comparison.peak` and `Comparison.steps` bound products of them in any order, as often
    as one likes; `product_bounds` is sharper for an order that is known, and
    `passband.transients.cycle` for one that repeats.

    Args:
        classes: Of as many blocks each.

    Raises:
        TypeError: If one is neither `Blocks` nor `Comparison`.
        ValueError: If there is none, or they differ in their number of blocks.
    """
    return Comparison(np.max(_matrices(classes), axis=0))


def _matrices(classes: Sequence[Any]) -> list[Float[ndarray, "m m"]]:
    if not classes:
        raise ValueError("`classes` must hold one class or more; it is empty.")
    for one in classes:
        if not isinstance(one, Blocks | Comparison):
            raise TypeError(
                f"`classes` must hold `Blocks` and `Comparison`; got {type(one).__name__}. "
                'Write `Comparison.of(J, sizes=..., bound="powers")`.'
            )
    sizes = {len(one.matrix) for one in classes}
    if len(sizes) > 1:
        raise ValueError(f"`classes` must have as many blocks each; got {sorted(sizes)}.")
    return [one.matrix for one in classes]
