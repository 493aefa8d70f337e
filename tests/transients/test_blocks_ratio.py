"""Ratios of time scales, corners and refusals of the closed forms of two blocks."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from hypothesis import assume, given
from numpy import ndarray
from numpy.testing import assert_allclose
from two_blocks import blocks

from passband.transients import (
    Blocks,
    balanced_ratio,
    numerical_radius,
)


def norms_of_powers(A: ndarray, steps: int) -> list[float]:
    power, norms = np.eye(len(A)), list[float]()
    for _ in range(steps):
        norms.append(float(np.linalg.norm(power, 2)))
        power = A @ power
    return norms


@given(blocks())
def test_no_transient_up_to_the_ratio(given_blocks: Blocks) -> None:
    tau = given_blocks.no_transient_ratio
    assume(1e-6 < tau < 0.999 / (1 - given_blocks.b))

    assert given_blocks.at_ratio(tau * (1 - 1e-9)).kreiss <= 1 + 1e-6
    assert given_blocks.at_ratio(tau * 1.001).kreiss > 1


def test_ratios_without_transient_at_their_limits() -> None:
    assert Blocks(a=0.5, b=0.5, c=4.0, e=0.1).no_transient_ratio == 0  # ec > αβ: not stable
    assert Blocks(a=0.5, b=1.5, c=4.0).no_transient_ratio == 0
    assert Blocks(a=0.5, b=0.5, c=0.0).no_transient_ratio == math.inf
    assert Blocks(a=1.5, b=0.5, c=4.0).critical_feedback == 0
    assert Blocks(a=0.5, b=0.5, c=0.0).critical_feedback == math.inf


def test_best_ratio_is_the_best_of_many() -> None:
    game = Blocks.from_margins(alpha=0.005, beta=0.05, c=1.0)
    taus = np.geomspace(1e-3, 20, 300)

    fast, capped, quiet = (
        game.best_ratio(),
        game.best_ratio(max_kreiss=5),
        game.best_ratio(minimize="noise", limits=(1e-3, 20)),
    )

    assert fast.cost == fast.blocks.steps(1e-3) <= min(game.at_ratio(t).steps() for t in taus)
    assert capped.blocks.kreiss <= 5
    allowed = [t for t in taus if game.at_ratio(t).kreiss <= 5]
    assert capped.cost <= min(game.at_ratio(t).steps() for t in allowed)
    N = quiet.blocks.matrix
    X = scipy.linalg.solve_discrete_lyapunov(N, np.diag([1, quiet.ratio**2]))
    assert_allclose(quiet.cost, np.trace(X), rtol=1e-8)
    with pytest.raises(ValueError, match="no factor within"):
        game.best_ratio(max_kreiss=1.0, limits=(0.5, 1))


def test_small_margins_keep_their_digits() -> None:
    """At margins of 1e-12 the radii 1 − α have four digits of them left; N itself is useless."""
    found = Blocks.from_margins(alpha=1e-12, beta=3e-12, c=8e-12)
    alike = Blocks.from_margins(alpha=1e-6, beta=3e-6, c=8e-6)

    assert_allclose(found.kreiss, alike.kreiss, rtol=1e-13)
    assert_allclose(found.peak, alike.peak, rtol=1e-5)  # the limit of small steps
    assert_allclose(found.steps(1e-3) * 1e-12, alike.steps(1e-3) * 1e-6, rtol=1e-5)
    assert_allclose(found.noise_floor * 1e-12, alike.noise_floor * 1e-6, rtol=1e-5)


def test_the_best_constants_of_the_peak() -> None:
    """P*/K* → 4/e for equal small margins and strong coupling, → 1 for very different ones."""
    equal = Blocks.from_margins(alpha=1e-6, beta=1e-6, c=1.0)
    apart = Blocks.from_margins(alpha=1e-9, beta=1e-3, c=1.0)

    assert_allclose(equal.peak / equal.kreiss, 4 / math.e, rtol=1e-3)
    assert_allclose(apart.peak / apart.kreiss, 1, rtol=3e-3)


def test_trust_radius() -> None:
    found = Blocks(a=0.5, b=0.5, c=4.0)
    N, x = found.matrix, None

    radius = found.trust_radius(2.0)

    rng = np.random.default_rng(0)
    for _ in range(50):  # the worst quadratic terms found by chance
        x = rng.standard_normal(2)
        x *= radius / np.linalg.norm(x)
        for _ in range(200):
            kick = N @ x
            x = kick + 2.0 * (x @ x) * kick / max(float(np.linalg.norm(kick)), 1e-300)
        assert np.linalg.norm(x) < 1e-9
    assert_allclose(found.trust_radius(4.0), radius / 2)
    # ρ(1−ρ)/(4QM²) at the best ρ, whose maximum is flat
    choices = [
        rho * (1 - rho) / (4 * 2 * max(norms_of_powers(N / rho, 150)) ** 2)
        for rho in np.linspace(0.52, 0.98, 24)
    ]
    assert_allclose(radius, max(choices), rtol=2e-3)
    assert Blocks(a=1.0, b=0.5, c=1.0).trust_radius(1.0) == 0


@pytest.mark.parametrize(
    ("found", "constant", "peak"),
    [
        (Blocks(a=0, b=0, c=0), 1, 1),
        (Blocks(a=1, b=1, c=0), 1, 1),
        (Blocks(a=1, b=1, c=1), math.inf, math.inf),
        (Blocks(a=1, b=0.5, c=5), math.hypot(1, 10), math.hypot(1, 10)),
        (Blocks(a=1.1, b=0, c=0), math.inf, math.inf),
        (Blocks(a=0, b=0, c=4), 1 + 1 / 4, 4),
        (Blocks(a=0, b=0, c=0.99, e=0.99), 1, 1),
    ],
)
def test_corners(found: Blocks, constant: float, peak: float) -> None:
    assert_allclose(found.kreiss, constant, rtol=1e-12)
    assert_allclose(found.peak, peak, rtol=1e-12)


def test_of_a_matrix() -> None:
    rng = np.random.default_rng(0)
    J = 0.3 * rng.standard_normal((5, 5))

    for bound in ("kreiss", "powers"):
        found = Blocks.of(J, first=2, bound=bound)
        assert_allclose(
            [found.c, found.e], [np.linalg.norm(J[2:, :2], 2), np.linalg.norm(J[:2, 2:], 2)]
        )
    assert_allclose(Blocks.of(J, first=2).a, numerical_radius(J[:2, :2]))
    assert_allclose(Blocks.of(J, first=2, bound="powers").b, np.linalg.norm(J[2:, 2:], 2))


def test_says_what_it_is() -> None:
    assert "Kreiss constants up to 2.125" in str(Blocks(a=0.5, b=0.5, c=4))
    assert "not stable" in str(Blocks(a=0.5, b=0.5, c=4, e=1))


def test_balanced_ratio_is_the_best_ratio() -> None:
    rng = np.random.default_rng(0)
    P, Q, R = rng.standard_normal((3, 3)), rng.standard_normal((3, 2)), rng.standard_normal((2, 2))

    best: Any = scipy.optimize.minimize_scalar(
        lambda tau: float(np.linalg.norm(P @ Q - tau * Q @ R))
    )

    assert_allclose(balanced_ratio(P, Q, R), best.x, rtol=1e-6)
    with pytest.raises(ValueError, match="zero"):
        balanced_ratio([[1]], [[0]], [[1]])
    with pytest.raises(ValueError, match="shapes"):
        balanced_ratio([[1]], [[1, 2]], [[1]])


@pytest.mark.parametrize(
    "arguments",
    [
        {"a": -0.1, "b": 0.5, "c": 1},
        {"a": 0.5, "b": math.nan, "c": 1},
        {"a": 0.5, "b": 0.5, "c": math.inf},
        {"a": 0.5, "b": 0.5, "c": 1, "e": -1},
    ],
)
def test_refuses_what_is_no_radius_or_norm(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="zero or positive, and finite"):
        Blocks(**arguments)


def test_refuses_other_wrong_arguments() -> None:
    found = Blocks(a=0.5, b=0.5, c=1)
    with pytest.raises(ValueError, match="one minus a spectral radius"):
        Blocks.from_margins(alpha=1.5, beta=0.5, c=1)
    with pytest.raises(ValueError, match="`eps`"):
        found.steps(0)
    with pytest.raises(ValueError, match="`tau`"):
        found.at_ratio(-1)
    with pytest.raises(ValueError, match="`curvature`"):
        found.trust_radius(math.nan)
    with pytest.raises(ValueError, match="`limits`"):
        found.best_ratio(limits=(2, 1))
    with pytest.raises(ValueError, match=r"`tau` must be at most 1/\(1 - b\), 2 here"):
        found.at_ratio(3.0)
    with pytest.raises(ValueError, match=r"`limits\[1\]` must be at most 1/\(1 - b\), 2 here"):
        found.best_ratio(limits=(2.5, 3))
    assert found.at_ratio(2.0).b == 0
    assert Blocks(a=0.5, b=0.95, c=1).at_ratio(20).b == 0  # though 1 - 0.95 is not 0.05
    assert Blocks(a=0.5, b=1.5, c=1).at_ratio(3.0).b == 2.5  # unstable, and no limit
    other: Any = "time"
    with pytest.raises(ValueError, match="`minimize`"):
        found.best_ratio(minimize=other)
    with pytest.raises(ValueError, match="`max_kreiss`"):
        found.best_ratio(max_kreiss=0.5)
    with pytest.raises(ValueError, match="`bound`"):
        Blocks.of(np.eye(2) / 2, first=1, bound=other)
    for first in (0, 2):
        with pytest.raises(ValueError, match="`first` must leave two blocks"):
            Blocks.of(np.eye(2) / 2, first=first)
    with pytest.raises(ValueError, match="zero or positive, and finite"):
        Blocks(a=other, b=0.5, c=1)
    with pytest.raises(ValueError, match="`max_kreiss`"):
        found.best_ratio(max_kreiss=0.5)
    with pytest.raises(ValueError, match="two blocks"):
        Blocks.of(np.eye(3), first=3)
