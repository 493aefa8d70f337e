"""Closed forms of the rest of the catalogue, over the decades people use."""

import cmath
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from numpy.testing import assert_allclose

from passband.filters import (
    ASAM,
    EF21,
    QHM,
    SGD,
    USAM,
    Adam,
    AdamW,
    Delayed,
    DerivativeAction,
    Extragradient,
    ExtrapolatedNesterov,
    Filter,
    FisherSAM,
    GradientPenalty,
    LocalSGD,
    Lookahead,
    MixedMemory,
    NAdam,
    NestedUSAM,
    Optimistic,
    Parity,
    Proximal,
    RMSprop,
    Schedule,
    ScheduleFree,
    Secant,
    UphillLoss,
    WeightAverage,
)

SETTINGS = settings(deadline=None, max_examples=12)
rates = st.floats(-6, 3).map(lambda x: 10.0**x)
momenta = st.sampled_from([0.0, 0.3, 0.9, 0.99, 0.999])
reaches = st.floats(-3, 3).map(lambda x: 10.0**x)
parts = st.floats(0.01, 1.0)


def assert_interval(filter: Filter, upper: float) -> None:
    (interval,) = filter.passband()

    assert interval.lower == 0
    assert_allclose(interval.upper, upper, rtol=1e-9)


@SETTINGS
@given(lr=rates, beta=momenta, part=st.one_of(st.just(0.0), st.floats(1e-12, 0.9)))
def test_adam_is_heavy_ball_with_a_running_average(lr: float, beta: float, part: float) -> None:
    betas, edge = (beta, 0.999), 2 * (1 + beta) / ((1 - beta) * lr)
    decay = part * 2 / lr
    upper = (1 + beta) * (2 / lr - decay) / (1 - beta)

    assert_interval(Adam(lr=lr, betas=betas), edge)
    assert_interval(Adam(lr=lr, betas=betas, weight_decay=decay), edge)
    assert_interval(NAdam(lr=lr, betas=betas), edge / (1 + 2 * beta))
    assert_interval(RMSprop(lr=lr, momentum=beta), 2 * (1 + beta) / lr)
    (interval,) = AdamW(lr=lr, betas=betas, weight_decay=decay).passband()
    assert_allclose(tuple(interval), (-decay, upper), rtol=1e-9)


@SETTINGS
@given(lr=rates, beta=momenta, nu=st.floats(0, 2))
def test_quasi_hyperbolic_momentum(lr: float, beta: float, nu: float) -> None:
    slope = 1 + beta - 2 * nu * beta
    assume(abs(slope) > 1e-3 and abs(nu - 1) > 1e-3)
    edges = [2 * (1 + beta) / (lr * slope)] if slope > 0 else []
    if nu > 1 and beta:
        edges.append((1 - beta) / (lr * beta * (nu - 1)))

    filter = QHM(lr=lr, momentum=beta, nu=nu)

    if edges:
        assert_interval(filter, min(edges))
    else:
        assert filter.edge == math.inf


@SETTINGS
@given(lr=rates, momentum=st.floats(0.0, 0.999), reach=reaches)
def test_derivative_action_for_all_momenta(lr: float, momentum: float, reach: float) -> None:
    C = 2 * (1 + momentum) / lr
    s = reach / C

    assert_interval(DerivativeAction(lr=lr, strength=s, momentum=momentum), C / (1 + C * s))


@SETTINGS
@given(lr=rates, reach=reaches, part=st.floats(0, 1))
def test_secant_parity_and_mixed_within_their_momenta(lr: float, reach: float, part: float) -> None:
    limits = [(Secant, 0.91), (Parity, 0.41), (MixedMemory, 0.70)]
    for family, limit in limits:
        momentum = part * limit
        C = 2 * (1 + momentum) / lr
        r = reach / C

        assert_interval(family(lr=lr, strength=r, momentum=momentum), C / (1 + C * r))


def test_secant_beyond_its_momenta_loses_a_pair_first() -> None:
    filter = Secant(lr=1.0, strength=1.5, momentum=0.95)

    C = 2 * 1.95
    exit = filter.passband().intervals[0].upper_exit
    assert_allclose(filter.edge, 0.350, rtol=0, atol=0.6e-3)
    assert_allclose(C / (1 + C * 1.5), 0.569, rtol=0, atol=0.6e-3)
    assert exit is not None
    assert abs(exit.imag) > 0.01


@SETTINGS
@given(lr=rates, reach=reaches)
def test_stale_ascent_raises_the_edge_at_most_twice(lr: float, reach: float) -> None:
    rho = reach * lr
    edges = [1 / rho] + ([2 / (lr - 2 * rho)] if lr > 2 * rho else [])

    filter = DerivativeAction(lr=lr, strength=-rho)

    assert_allclose(filter.edge, min(edges), rtol=1e-9)
    assert filter.edge <= 4 / lr * (1 + 1e-9)


@SETTINGS
@given(lr=rates, momentum=st.floats(0.01, 0.999), c=st.floats(0, 50))
def test_over_extrapolated_nesterov(lr: float, momentum: float, c: float) -> None:
    filter = ExtrapolatedNesterov(lr=lr, momentum=momentum, extrapolation=c)

    assert_interval(filter, 2 * (1 + momentum) / (lr * (1 + 2 * c)))


@SETTINGS
@given(lr=rates, momentum=momenta)
def test_over_extrapolated_nesterov_has_its_neighbors_as_cases(lr: float, momentum: float) -> None:
    assume(momentum > 0)
    lam = np.linspace(-1, 5, 7) / lr

    heavy_ball = ExtrapolatedNesterov(lr=lr, momentum=momentum, extrapolation=0.0)
    nesterov = ExtrapolatedNesterov(lr=lr, momentum=momentum, extrapolation=momentum)

    assert_allclose(heavy_ball.transition(lam), SGD(lr=lr, momentum=momentum).transition(lam))
    torch_form = SGD(lr=lr, momentum=momentum, nesterov=True)
    assert_allclose(nesterov.transition(lam), torch_form.transition(lam), atol=1e-12)


@SETTINGS
@given(lr=rates, strength=reaches)
def test_games(lr: float, strength: float) -> None:
    s = strength * lr

    assert_interval(Extragradient(lr=lr), 1 / lr)
    assert Extragradient(lr=lr).passband().intervals[0].upper_exit == 1
    assert_interval(Optimistic(lr=lr, strength=s), 2 / (lr + 2 * s))
    below, above = Proximal(lr=lr).passband()
    assert tuple(above) == (0, math.inf)
    assert below.lower == -math.inf
    assert_allclose(below.upper, -2 / lr)


def test_rotations_of_games() -> None:
    assert_allclose(Extragradient(lr=0.1).rotation_edge, 10)
    assert_allclose(Optimistic(lr=0.1, strength=0.1).rotation_edge, 10 / math.sqrt(3))
    assert Proximal(lr=0.1).rotation_edge == math.inf
    assert SGD(lr=0.1).rotation_edge == SGD(lr=0.1, momentum=0.9).rotation_edge == 0


@pytest.mark.parametrize(
    "filter",
    [
        Extragradient(lr=0.1),
        Optimistic(lr=0.1, strength=0.2),
        Lookahead(SGD(lr=0.1), k=5, alpha=0.5),
        NestedUSAM(lr=0.1, rho=-0.1),
        SGD(lr=0.1, momentum=0.3, weight_decay=0.2),
    ],
    ids=repr,
)
def test_rotation_edges_agree_with_the_radius(filter: Filter) -> None:
    edge = filter.rotation_edge

    assert (filter.radius(1j * edge * np.linspace(0.01, 0.999, 200)) <= 1 + 1e-12).all()
    assert filter.radius(1.001j * edge) > 1


@SETTINGS
@given(lr=rates, delay=st.integers(0, 12))
def test_delays(lr: float, delay: int) -> None:
    filter = Delayed(lr=lr, delay=delay)

    assert_interval(filter, 2 / lr * math.sin(math.pi / (2 * (2 * delay + 1))))
    exit = filter.passband().intervals[0].upper_exit
    assert exit is not None
    assert_allclose(abs(cmath.phase(exit)), math.pi / (2 * delay + 1), rtol=1e-7)


@SETTINGS
@given(lr=rates, c=parts)
def test_compression_is_averaged_momentum(lr: float, c: float) -> None:
    assert_interval(EF21(lr=lr, compression=c), 2 * (2 - c) / (lr * c))


@SETTINGS
@given(lr=rates, beta=st.floats(0, 0.999), c=parts)
def test_schedule_free(lr: float, beta: float, c: float) -> None:
    upper = 2 * (2 - c) / (lr * ((2 - c) * (1 - beta) + c * beta))

    assert_interval(ScheduleFree(lr=lr, momentum=beta, averaging=c), upper)


@SETTINGS
@given(lr=rates, k=st.integers(1, 60), alpha=parts)
def test_lookahead_over_gradient_descent(lr: float, k: int, alpha: float) -> None:
    assume(k > 1 or alpha < 0.99)
    filter = Lookahead(SGD(lr=lr), k=k, alpha=alpha)

    wider = (1 + ((2 - alpha) / alpha) ** (1 / k)) / lr
    assert_interval(filter, wider if k % 2 else 2 / lr)


@SETTINGS
@given(
    lr=rates, steps=st.integers(1, 600), outer_lr=st.floats(0.05, 4), momentum=st.floats(0, 0.95)
)
def test_local_steps(lr: float, steps: int, outer_lr: float, momentum: float) -> None:
    Q = 2 * (1 + momentum) / ((1 + 2 * momentum) * outer_lr)
    assume(abs(Q - 1) > 1e-3)

    filter = LocalSGD(lr=lr, steps=steps, outer_lr=outer_lr, outer_momentum=momentum)

    if Q < 1:
        edge = (1 - (1 - Q) ** (1 / steps)) / lr
    elif steps % 2:
        edge = (1 + (Q - 1) ** (1 / steps)) / lr
    else:
        edge = 2 / lr
    assert_allclose(filter.edge, edge, rtol=1e-9)
    if Q < 1 and steps % 2 == 0:
        (island,) = filter.passband().islands
        assert_allclose(tuple(island), (2 / lr - edge, 2 / lr), rtol=1e-9)
    else:
        assert not filter.passband().islands


@SETTINGS
@given(lr=rates, momentum=momenta, reach=reaches)
def test_relatives_of_usam(lr: float, momentum: float, reach: float) -> None:
    rho = reach * lr
    usam = USAM(lr=lr, rho=rho, momentum=momentum).passband()

    assert GradientPenalty(lr=lr, rho=rho, momentum=momentum).passband() == usam
    assert ASAM(lr=lr, rho=4 * rho, scale=0.5, momentum=momentum).passband() == usam
    two_step = USAM(lr=lr, rho=rho, steps=2, momentum=momentum).passband()
    assert UphillLoss(lr=lr, rho=rho, momentum=momentum).passband() == two_step
    fisher = FisherSAM(lr=lr, rho=reach, momentum=momentum)
    assert_interval(fisher, 2 * (1 + momentum) / lr / (1 + reach))


@SETTINGS
@given(lr=rates, momentum=momenta, reach=reaches, sign=st.sampled_from([-1, 1]))
def test_nested_ascent_is_monotone(lr: float, momentum: float, reach: float, sign: int) -> None:
    C = 2 * (1 + momentum) / lr
    rho = sign * reach / C

    filter = NestedUSAM(lr=lr, rho=rho, momentum=momentum)

    (interval,) = filter.passband()
    L = interval.upper
    assert interval.lower == 0
    assert_allclose(L * (1 + rho * L + (rho * L) ** 2), C, rtol=1e-9)


def test_an_average_of_weights_filters_the_output_only() -> None:
    base = SGD(lr=0.1, momentum=0.9)
    averaged = WeightAverage(base, decay=0.99)

    assert averaged.passband() == base.passband()
    assert averaged.noise(5.0) < 0.1 * base.noise(5.0)
    assert_allclose(averaged.gain, base.gain)


def test_a_buffer_that_never_changes_hides_nothing() -> None:
    """At momentum 1 its multiplier is 1 at every curvature; ``1 − ν`` of the gradient is left."""
    assert_interval(QHM(lr=0.1, momentum=1.0, nu=0.7), 2 / (0.1 * 0.3))
    assert_interval(QHM(lr=1e-5, momentum=1.0, nu=0.7), 2 / (1e-5 * 0.3))
    # (1 − 0.03 λ) (1 − 0.05 λ) is 1 again at 0.08 / 0.0015, and never −1
    assert_interval(Schedule([QHM(lr=0.1, momentum=1.0, nu=0.7), SGD(lr=0.05)]), 0.08 / 0.0015)
