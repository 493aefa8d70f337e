"""The largest gain of a system against a fine grid."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose

from passband.transients.dense.gain import System, gains, largest_gain

SETTINGS = settings(max_examples=10, deadline=None)


@SETTINGS
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5), real=st.booleans())
@pytest.mark.parametrize("x", [0.0, 0.3])
@pytest.mark.parametrize("time", ["discrete", "continuous"])
def test_no_point_of_the_curve_has_more(
    seed: int, n: int, real: bool, x: float, time: Literal["discrete", "continuous"]
) -> None:
    rng = np.random.default_rng(seed)
    M, B, C = rng.standard_normal((3, n, n)) + (0 if real else 1j) * rng.standard_normal((3, n, n))
    stable = 0.95 * M / np.abs(np.linalg.eigvals(M)).max()
    t = np.linspace(-np.pi, np.pi, 4001)
    curve = (1 + x) * np.exp(1j * t) if time == "discrete" else x + 1j * np.tan(t / 2.001)
    system = System(stable if time == "discrete" else stable - np.eye(n), B, C)

    found = largest_gain(system, time, x=x)

    grid = gains(system, curve)
    assert grid.max() <= found.upper * (1 + 1e-9)
    assert found.lower <= found.upper <= found.lower * (1 + 1e-9)
    assert_allclose(gains(system, np.array([found.z]))[0], found.lower, rtol=1e-9)
    assert found.lower <= grid.max() * 1.01
