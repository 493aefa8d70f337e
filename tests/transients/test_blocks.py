"""The closed forms of two blocks against the matrices they are about."""

import math

import numpy as np
import scipy.linalg
from hypothesis import given, settings, strategies as st
from numpy import ndarray
from numpy.testing import assert_allclose
from two_blocks import COUPLINGS, RADII, blocks

from passband.transients import (
    Blocks,
    growth,
    kreiss,
    numerical_radius,
    pseudospectral_radius,
)

SETTINGS = settings(max_examples=15, deadline=None)


def kreiss_function(A: ndarray, z: float) -> float:
    return float((z - 1) / np.linalg.svd(z * np.eye(len(A)) - A, compute_uv=False)[-1])


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
