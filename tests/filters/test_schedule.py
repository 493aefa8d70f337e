"""Optimizers in turns: Floquet products, periodic and held ascent."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from numpy.testing import assert_allclose

from passband.filters import (
    SGD,
    USAM,
    Adam,
    DerivativeAction,
    Filter,
    HeldAscent,
    LocalSGD,
    Lookahead,
    Optimistic,
    PeriodicAscent,
    Proximal,
    Schedule,
    WeightAverage,
)

SETTINGS = settings(deadline=None, max_examples=15)


@SETTINGS
@given(lr=st.floats(-5, 3).map(lambda x: 10.0**x), ratio=st.floats(1.001, 1e5))
def test_two_learning_rates_in_turn(lr: float, ratio: float) -> None:
    critical = 3 + 2 * math.sqrt(2)
    assume(abs(ratio / critical - 1) > 1e-6)
    a, b = lr, lr * ratio
    S, P = a + b, a * b

    passband = Schedule([SGD(lr=a), SGD(lr=b)]).passband()

    ends = [tuple(interval) for interval in passband]
    if ratio < critical:
        assert_allclose(ends, [(0, 1 / a + 1 / b)], rtol=1e-9)
    else:
        R = math.sqrt(S * S - 8 * P)
        low = 4 / (S + R)  # (S − R) / (2P), without cancellation
        assert_allclose(ends, [(0, low), ((S + R) / (2 * P), 1 / a + 1 / b)], rtol=1e-9)


def test_at_the_critical_ratio_the_two_parts_touch() -> None:
    passband = Schedule([SGD(lr=1.0), SGD(lr=3 + 2 * math.sqrt(2))]).passband()

    assert_allclose([tuple(i) for i in passband], [(0, 1 + 1 / (3 + 2 * math.sqrt(2)))])


@SETTINGS
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(2, 5), momentum=st.booleans())
def test_random_schedules_agree_with_a_scan(seed: int, length: int, momentum: bool) -> None:
    rng = np.random.default_rng(seed)
    filters: list[Filter] = []
    for _ in range(length):
        lr, mu = 10 ** rng.uniform(-1.5, 0.5), rng.uniform(0, 0.99) if momentum else 0.0
        rho = rng.choice([-1, 0, 1]) * 10 ** rng.uniform(-1, 1)
        filters.append(USAM(lr=lr, rho=rho, momentum=mu, steps=int(rng.integers(1, 3))))

    schedule = Schedule(filters)

    passband = schedule.passband()
    ends = np.array([e for i in passband for e in i])
    lam = np.concatenate([np.linspace(-3, 3, 6001) * np.abs(ends).max(), np.linspace(-2, 2, 2001)])
    # at the end of a steep island rounding of λ moves the radius by more than it tells
    lam = lam[np.abs(lam[:, None] - ends).min(axis=1) > 1e-12 * np.abs(lam)]
    radius, inside = schedule.radius(lam), passband.contains(lam)
    assert not lam[(radius < 1 - 1e-9) & ~inside].size
    assert not lam[(radius > 1 + 1e-7) & inside].size


def test_a_long_schedule_finds_narrow_islands() -> None:
    filters = [SGD(lr=0.09, momentum=0.8)] * 10 + [USAM(lr=0.01, rho=0.1, momentum=0.5)] * 10
    schedule = Schedule(filters)

    passband = schedule.passband()

    lam = np.linspace(-70, 70, 200_001)
    assert len(passband.islands) == 3
    assert len(passband.leaks) == 9
    assert (passband.contains(lam) == (schedule.radius(lam) <= 1 + 1e-12)).mean() > 1 - 1e-4
    for interval in passband:
        assert schedule.radius((interval.lower + interval.upper) / 2) <= 1


def test_one_filter_in_turn_with_itself_is_itself() -> None:
    filter = USAM(lr=0.1, rho=0.2, momentum=0.5)

    schedule = Schedule([filter, filter, filter])

    assert_allclose(schedule.edge, filter.edge)
    assert_allclose(schedule.gain, filter.gain)
    assert_allclose(schedule.kappa, filter.kappa)
    assert_allclose(schedule.noise(3.0), filter.noise(3.0))
    assert_allclose(schedule.mean_square_edge(ratio=0.5), filter.mean_square_edge(ratio=0.5))
    assert schedule.gradients_per_step == filter.gradients_per_step
    assert schedule.period == 3


def test_without_momentum_the_buffer_waits() -> None:
    schedule = Schedule([SGD(lr=0.1, momentum=0.9), SGD(lr=0.2)])

    M = SGD(lr=0.1, momentum=0.9).transition(3.0)
    plain = np.diag([1 - 0.2 * 3.0, 1.0])
    assert_allclose(schedule.transition(3.0), plain @ M)


def test_filters_without_a_common_state_cannot_take_turns() -> None:
    with pytest.raises(ValueError, match=r"need a common state; .* keeps"):
        Schedule([SGD(lr=0.1, momentum=0.9), Optimistic(lr=0.1, strength=0.1)])


def test_filters_of_other_curvatures_cannot_take_turns() -> None:
    with pytest.raises(ValueError, match=r"a preconditioned one of Adam.*no modes in common"):
        Schedule([SGD(lr=0.1), Adam(lr=0.1)])


def test_what_is_no_schedule_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one filter"):
        Schedule([])
    with pytest.raises(ValueError, match="polynomial in λ; got Proximal"):
        Schedule([SGD(lr=0.1), Proximal(lr=0.1)])
    with pytest.raises(ValueError, match="up to polynomial degree 400"):
        Schedule([SGD(lr=0.1)] * 500).passband()


def test_schedules_nest() -> None:
    inner = Schedule([SGD(lr=0.1), SGD(lr=0.2)])

    nested = Schedule([inner, SGD(lr=0.3)])
    looking_ahead = Lookahead(inner, k=3, alpha=0.5)

    z = (1 - 0.1 * 2.0) * (1 - 0.2 * 2.0)
    assert_allclose(nested.transition(2.0), [[z * (1 - 0.3 * 2.0)]])
    assert_allclose(looking_ahead.transition(2.0), [[0.5 + 0.5 * z**3]])
    assert (nested.period, looking_ahead.period) == (3, 6)


@pytest.mark.parametrize("every", [2, 3, 4, 5])
def test_periodic_ascent_never_excludes_one_over_lr(every: int) -> None:
    for rho in (0.1, 10.0, 1e4):
        assert 1.0 in PeriodicAscent(lr=1.0, rho=rho, every=every).passband()


@SETTINGS
@given(reach=st.floats(-2, 2), every=st.integers(1, 6))
def test_held_ascent_admits_two_over_lr_at_even_periods_only(reach: float, every: int) -> None:
    passband = HeldAscent(lr=1.0, rho=10.0**reach, every=every).passband()

    assert passband.edge > 0
    if every % 2 == 0:
        assert_allclose(max(i.upper for i in passband), 2.0, rtol=1e-9)
    else:
        assert not passband.islands


@pytest.mark.parametrize(("every", "least"), [(2, 0.903), (4, 0.749), (6, 0.682)])
def test_held_ascent_has_an_island_at_even_periods_if_the_ascent_is_long(
    every: int, least: float
) -> None:
    """An island appears where ``ρλ`` meets the least of ``(1 + w) / (1 − w)``, ``w = (1−λ)^p``."""
    lam = np.linspace(0, 2, 200_001)[1:-1]
    w = (1 - lam) ** every
    touching = float(((1 + w) / (1 - w) / lam).min())
    below, above = (
        HeldAscent(lr=1.0, rho=r * touching, every=every).passband() for r in (0.999, 1.001)
    )

    assert touching == pytest.approx(least, abs=1e-3)
    assert (below.edge, below.islands) == (pytest.approx(2.0), ())
    assert above.edge < 1.6
    assert [island.upper for island in above.islands] == [pytest.approx(2.0)]


def impulse_energy(
    step_matrices: list[np.ndarray], inputs: list[np.ndarray], x: np.ndarray
) -> float:
    """Variance of x·s averaged over the steps of a period, by summing responses to impulses."""
    period, total = len(step_matrices), 0.0
    for start in range(period):
        state, k = inputs[start], start
        while np.abs(state).max() > 1e-14:
            total += float(x @ state) ** 2
            k += 1
            state = step_matrices[k % period] @ state
    return total / period


def test_noise_is_averaged_over_the_steps_of_a_period() -> None:
    lam, rho = 0.25, 10 / 3
    refresh = np.array([[1 - lam * (1 + rho * lam), 0.0], [rho * lam, 0.0]])
    keep = np.array([[1 - lam, -lam], [0.0, 1.0]])
    inputs = [np.array([-(1 + rho * lam), rho]), np.array([-1.0, 0.0])]

    noise = HeldAscent(lr=1.0, rho=rho, every=2).noise(lam)

    assert_allclose(noise, impulse_energy([refresh, keep], inputs, np.array([1.0, 0.0])), rtol=1e-9)


def test_noise_of_local_steps_is_that_of_the_outer_weights_on_the_way() -> None:
    """Averaging without outer momentum is gradient descent, whatever the number of steps."""
    local = LocalSGD(lr=0.1, steps=5)

    assert_allclose(local.noise(3.0), SGD(lr=0.1).noise(3.0))
    assert_allclose(local.mean_square_edge(ratio=0.5), SGD(lr=0.1).mean_square_edge(ratio=0.5))
    assert_allclose(local.gain, 0.1)


def test_parts_must_be_filters() -> None:
    with pytest.raises(ValueError, match=r"`k` must be a whole number"):
        Lookahead(SGD(lr=0.1), k=0, alpha=0.5)
    with pytest.raises(ValueError, match=r"`alpha` must lie in \(0, 1\]"):
        Lookahead(SGD(lr=0.1), k=5, alpha=0.0)
    with pytest.raises(ValueError, match=r"`decay` must lie in \[0, 1\)"):
        WeightAverage(SGD(lr=0.1), decay=1.0)


def test_memories_take_turns_with_what_has_none() -> None:
    schedule = Schedule([DerivativeAction(lr=0.1, strength=0.2), SGD(lr=0.1)])

    assert 0 < schedule.edge < 20
