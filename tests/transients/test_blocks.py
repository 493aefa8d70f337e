"""The closed forms of two blocks against the matrices they are about."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from hypothesis import assume, given, settings, strategies as st
from numpy import ndarray
from numpy.testing import assert_allclose

from passband.transients import (
    Blocks,
    balanced_ratio,
    growth,
    kreiss,
    numerical_radius,
    pseudospectral_radius,
)

SETTINGS = settings(max_examples=15, deadline=None)
RADII = st.floats(0, 0.99)
COUPLINGS = st.floats(-2, 2).map(lambda decade: 10**decade)


@st.composite
def blocks(draw: st.DrawFn) -> Blocks:
    a, b, c = draw(RADII), draw(RADII), draw(COUPLINGS)
    share = draw(st.sampled_from([0.0, 0.3, 0.9]))
    return Blocks(a=a, b=b, c=c, e=share * (1 - a) * (1 - b) / c)


def kreiss_function(A: ndarray, z: float) -> float:
    return float((z - 1) / np.linalg.svd(z * np.eye(len(A)) - A, compute_uv=False)[-1])


def norms_of_powers(A: ndarray, steps: int) -> list[float]:
    power, norms = np.eye(len(A)), list[float]()
    for _ in range(steps):
        norms.append(float(np.linalg.norm(power, 2)))
        power = A @ power
    return norms


def test_reference_values() -> None:
    first, second = Blocks(a=0.5, b=0.5, c=4.0), Blocks(a=3 / 4, b=8 / 9, c=28 / 27)

    assert_allclose([first.kreiss, first.maximizer], [17 / 8, 47 / 30], rtol=1e-14)
    assert_allclose([second.kreiss, second.maximizer], [5 / 3, 29 / 24], rtol=1e-14)
    assert_allclose(
        [first.peak, second.peak], [(math.sqrt(17) + 4) / 2, 2.446594216809], rtol=1e-12
    )
    assert_allclose([first.numerical_radius, second.numerical_radius], [5 / 2, 145 / 108])
    level = (47 / 30 - 1) / (17 / 8)
    assert_allclose(first.pseudospectral_radius(level), 47 / 30, rtol=1e-14)
    assert_allclose(level, 4 / 15)


@SETTINGS
@given(blocks())
def test_equals_the_comparison_matrix(given_blocks: Blocks) -> None:
    N, K = given_blocks.matrix, given_blocks.kreiss

    z = given_blocks.maximizer
    if math.isfinite(z):
        assert_allclose(kreiss_function(N, z), K, rtol=1e-9)
    bracket = kreiss(N, rtol=1e-3)
    assert bracket.lower <= K * (1 + 1e-9)
    assert bracket.upper * (1 + 1e-9) >= K
    assert_allclose(given_blocks.numerical_radius, numerical_radius(N), rtol=1e-10)
    assert_allclose(given_blocks.radius, np.abs(np.linalg.eigvals(N)).max(), atol=1e-12)
    for eps in (0.0, 1e-6, 0.3):
        level = pseudospectral_radius(N, eps)
        assert_allclose(given_blocks.pseudospectral_radius(eps), level, rtol=1e-9, atol=1e-15)


@SETTINGS
@given(blocks(), st.floats(-4, 1))
def test_powers_equal_those_of_the_comparison_matrix(given_blocks: Blocks, decade: float) -> None:
    found, eps = growth(given_blocks.matrix), 1.00001 * 10**decade  # no norm is that by chance

    assert_allclose(given_blocks.peak, found.peak, rtol=1e-9)
    steps, expected = given_blocks.steps(eps), found.settling(eps)
    assert abs(steps - expected) <= 1e-9 * expected  # k may be rounded where norms meet the level


@SETTINGS
@given(blocks())
def test_noise_floor_is_the_trace_of_a_lyapunov_equation(given_blocks: Blocks) -> None:
    N = given_blocks.matrix

    X = scipy.linalg.solve_discrete_lyapunov(N, np.eye(2))

    assert_allclose(given_blocks.noise_floor, np.trace(X), rtol=1e-7)


@given(a=RADII, b=RADII, c=COUPLINGS)
def test_noise_floor_in_closed_form(a: float, b: float, c: float) -> None:
    expected = 1 / (1 - a**2) + 1 / (1 - b**2)
    expected += c**2 * (1 + a * b) / ((1 - a**2) * (1 - b**2) * (1 - a * b))

    assert_allclose(Blocks(a=a, b=b, c=c).noise_floor, expected, rtol=1e-9)


@given(blocks(), st.floats(1e-6, 1))
def test_a_common_step_size_drops_out(given_blocks: Blocks, factor: float) -> None:
    scaled = Blocks.from_margins(
        alpha=factor * (1 - given_blocks.a),
        beta=factor * (1 - given_blocks.b),
        c=factor * given_blocks.c,
        e=factor * given_blocks.e,
    )

    assert_allclose(scaled.kreiss, given_blocks.kreiss, rtol=1e-9)


@SETTINGS
@given(blocks())
def test_is_the_constant_of_the_flow(given_blocks: Blocks) -> None:
    generator = given_blocks.matrix - np.eye(2)

    bracket = kreiss(generator, time="continuous", rtol=1e-3)

    assert bracket.lower <= given_blocks.kreiss * (1 + 1e-9)
    assert given_blocks.kreiss <= bracket.upper * (1 + 1e-9)


@given(a=RADII, b=RADII, c=COUPLINGS)
def test_peak_is_at_most_four_times_the_constant(a: float, b: float, c: float) -> None:
    one_way = Blocks(a=a, b=b, c=c)

    assert one_way.kreiss * (1 - 1e-12) <= one_way.peak <= 4 * one_way.kreiss


@given(a=RADII, b=RADII, c=COUPLINGS, more=st.floats(0, 0.5))
def test_is_monotone_in_every_entry(a: float, b: float, c: float, more: float) -> None:
    below = Blocks(a=a, b=b, c=c, e=0.2 * (1 - a) * (1 - b) / c)
    room = more * (1 - a)

    assert below.kreiss <= Blocks(a=a + room, b=b, c=c, e=below.e).kreiss * (1 + 1e-9)
    assert below.kreiss <= Blocks(a=a, b=b, c=c * (1 + more), e=below.e).kreiss * (1 + 1e-9)
    assert below.kreiss <= Blocks(a=a, b=b, c=c, e=below.e * (1 + more)).kreiss * (1 + 1e-9)


@given(gamma=RADII, c=COUPLINGS)
def test_equal_radii_in_closed_form(gamma: float, c: float) -> None:
    margin, found = 1 - gamma, Blocks(a=gamma, b=gamma, c=c)

    expected = c / (4 * margin) + margin / c if c >= 2 * margin else 1.0

    assert_allclose(found.kreiss, expected, rtol=1e-9)
    assert found.kreiss <= found.published_bound
    assert_allclose(found.published_bound, 2 / margin + c / (4 * margin), rtol=1e-12)


def test_the_published_bound_depends_on_the_step_size_and_the_constant_does_not() -> None:
    for eta, published in ((0.1, 23), (0.01, 203), (0.001, 2003)):
        found = Blocks.from_margins(alpha=eta, beta=eta, c=12 * eta)
        assert_allclose([found.published_bound, found.kreiss], [published, 37 / 12], rtol=1e-12)
    assert math.isinf(Blocks(a=0.5, b=0.5, c=1, e=0.1).published_bound)


@given(a=RADII, b=RADII, c=COUPLINGS)
def test_critical_feedback_puts_the_radius_at_one(a: float, b: float, c: float) -> None:
    critical = Blocks(a=a, b=b, c=c).critical_feedback

    assert_allclose(critical, (1 - a) * (1 - b) / c)
    assert_allclose(Blocks(a=a, b=b, c=c, e=critical).radius, 1, rtol=1e-12)
    beyond = Blocks(a=a, b=b, c=c, e=critical * 1.01)
    assert not beyond.stable
    assert math.isinf(beyond.kreiss)
    assert math.isinf(beyond.peak)
    assert math.isinf(beyond.steps(0.1))
    assert math.isinf(beyond.noise_floor)


def test_constant_at_the_critical_feedback() -> None:
    alpha, beta, c = 0.25, 0.5, 4.0
    e = alpha * beta / c

    found = Blocks(a=1 - alpha, b=1 - beta, c=c, e=e)

    assert_allclose(found.kreiss, math.sqrt(1 + (c - e) ** 2 / (alpha + beta) ** 2), rtol=1e-12)


@given(a=st.floats(0, 0.99), b=st.floats(0, 0.99), e=st.sampled_from([0.0, 0.1]))
def test_up_to_the_critical_coupling_there_is_no_transient(a: float, b: float, e: float) -> None:
    feedback = e * math.sqrt((1 - a) * (1 - b))
    c = Blocks(a=a, b=b, c=0.1, e=feedback).critical_coupling

    assert Blocks(a=a, b=b, c=c * (1 - 1e-9), e=feedback).kreiss == 1
    assert Blocks(a=a, b=b, c=c * 1.01, e=feedback).kreiss > 1
    assert Blocks(a=a, b=b, c=c * (1 - 1e-9), e=feedback).peak <= 2  # Berger


def test_slow_down_ladder() -> None:
    game = Blocks.from_margins(alpha=0.1 * 0.05, beta=1 * 0.05, c=20 * 0.05)

    ladder = [game.at_ratio(tau).kreiss for tau in (1 / 80, 1 / 20, 1 / 5, 1, 5, 20)]

    assert_allclose(ladder, [1.58, 3.51, 6.90, 11.57, 15.38, 17.47], atol=5e-3)
    assert_allclose(game.no_transient_ratio, 4 * 0.1 * 1 / 20**2, rtol=1e-12)


@given(blocks())
def test_no_transient_up_to_the_ratio(given_blocks: Blocks) -> None:
    tau = given_blocks.no_transient_ratio
    assume(1e-6 < tau < 1 / (1 - given_blocks.b))

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
