"""A multiplier that is 1 at every curvature does not hide where the others reach the circle."""

from dataclasses import dataclass
from typing import final

import numpy as np
import pytest
from numpy import ndarray
from typing_extensions import override

from passband.filters import SGD
from passband.filters.loop import Loop
from passband.filters.staged import LoopFilter


@final
@dataclass(frozen=True)
class Mixed(LoopFilter):
    """Heavy ball (lr 1, momentum .8), a memory that fades, and a slot that nothing moves."""

    basis: ndarray

    @property
    @override
    def loop(self) -> Loop:
        D = np.diag([0.0, -0.2, -0.3, 0.0])
        D[0, 1] = -0.8
        b, c = np.array([-1.0, 1.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0, 0.0])
        S, back = self.basis, np.linalg.inv(self.basis)
        slots = ("theta", "buffer", "fading", "fixed")
        return Loop(D=S @ D @ back, b=S @ b, c=c @ back, x=c @ back, slots=slots)


@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4])
@pytest.mark.parametrize("seed", range(4))
def test_in_any_basis(condition: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.standard_normal((4, 4)))[0] for _ in range(2))

    (interval,) = Mixed(U @ np.diag(np.geomspace(1, condition, 4)) @ V).passband()

    assert abs(interval.lower) < 1e-6
    assert interval.upper == pytest.approx(3.6, rel=1e-6)


@pytest.mark.parametrize("lr", [1e-100, 1e-30, 1.0, 1e30, 1e100])
def test_units_make_no_slot_a_fixed_one(lr: float) -> None:
    assert SGD(lr=lr, momentum=0.9).edge * lr == pytest.approx(3.8)
