"""The comparison matrix of a matrix that is given, block by block."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy import ndarray

from passband._shapes import Float, Num
from passband.transients.dense.matrices import norm
from passband.transients.dense.numerical_range import numerical_radius

Bounded = Literal["kreiss", "powers"]


def comparison_matrix(
    J: Num[ndarray, "n n"], *, sizes: Sequence[int], bound: Bounded
) -> Float[ndarray, "m m"]:
    """Return norms of the blocks; on the diagonal numerical radii, or norms too for powers."""
    if bound not in ("kreiss", "powers"):
        raise ValueError(f'`bound` must be "kreiss" or "powers"; got {bound!r}.')
    inner = numerical_radius if bound == "kreiss" else norm
    ends = np.cumsum([0, *sizes])
    parts = [slice(low, high) for low, high in pairwise(ends.tolist())]
    norms = np.array([[norm(J[row, column]) for column in parts] for row in parts])
    np.fill_diagonal(norms, [inner(J[part, part]) for part in parts])
    return norms
