"""Every closed form of a passband equals the algebraic one, over the decades people use."""

import math
from collections.abc import Sequence

from hypothesis import assume, given, settings, strategies as st
from numpy.testing import assert_allclose

from passband.filters import SGD, USAM, Filter, HessianUSAM
from passband.filters.checks import DecayPlacement

Ends = Sequence[tuple[float, float]]

SETTINGS = settings(deadline=None, max_examples=15)

rates = st.floats(-8, 4).map(lambda x: 10.0**x)
momenta = st.sampled_from([-1.0, -0.7, -1 / 3, -0.2, 0.0, 0.3, 0.9, 0.99, 1 - 1e-9, 1.0])
reaches = st.floats(-4, 4).map(lambda x: 10.0**x)  # of |ρ| C, the ascent in units of the edge
decays = st.floats(-12, 3).map(lambda x: 10.0**x)  # of ω / C


def heavy_ball_edge(lr: float, momentum: float) -> float:
    return 2 * (1 + momentum) / lr


def assert_passband(filter: Filter, expected: Ends) -> None:
    found = [tuple(interval) for interval in filter.passband()]
    assert len(found) == len(expected), f"{filter}: {found} is not {expected}"
    scale = max([abs(end) for pair in expected for end in pair], default=0.0)
    assert_allclose(found, list(expected), rtol=1e-9, atol=1e-14 * scale)


@SETTINGS
@given(lr=rates, momentum=momenta)
def test_heavy_ball(lr: float, momentum: float) -> None:
    assert_passband(SGD(lr=lr, momentum=momentum), [(0, heavy_ball_edge(lr, momentum))])


@SETTINGS
@given(lr=rates, beyond=st.floats(-9, 2))
def test_momentum_beyond_one_admits_nothing(lr: float, beyond: float) -> None:
    size = 1 + 10.0**beyond

    assert_passband(SGD(lr=lr, momentum=size), [])
    assert_passband(SGD(lr=lr, momentum=-size), [])


@SETTINGS
@given(lr=rates, dampening=st.floats(0, 0.99), momentum=st.floats(0.01, 0.99))
def test_dampening_scales_the_learning_rate(lr: float, dampening: float, momentum: float) -> None:
    filter = SGD(lr=lr, momentum=momentum, dampening=dampening)

    assert_passband(filter, [(0, heavy_ball_edge(lr, momentum) / (1 - dampening))])


@SETTINGS
@given(lr=rates, momentum=st.one_of(momenta, st.floats(1.0001, 50)))
def test_nesterov(lr: float, momentum: float) -> None:
    assume(momentum != 0)
    edge = heavy_ball_edge(lr, momentum) / (1 + 2 * momentum) if momentum != -0.5 else math.inf

    filter = SGD(lr=lr, momentum=momentum, nesterov=True)

    if momentum > 1:
        assert_passband(filter, [((1 - 1 / momentum) / lr, edge)])
    elif momentum >= -1 / 3:
        assert_passband(filter, [(0, edge)])
    else:
        assert_passband(filter, [(0, (1 + 1 / abs(momentum)) / lr)])


@SETTINGS
@given(lr=rates, momentum=momenta, part=decays)
def test_coupled_decay_shifts_the_passband(lr: float, momentum: float, part: float) -> None:
    assume(momentum > -1)
    edge = heavy_ball_edge(lr, momentum)
    decay = part * edge

    filter = SGD(lr=lr, momentum=momentum, weight_decay=decay)

    assert_passband(filter, [(-decay, edge - decay)])


def usam(rho: float, steps: int, target: float) -> float:
    """The largest λ with λ (1 + ρλ)ᵏ = target > 0, for ρ > 0 and one or two steps."""
    if steps == 1:
        return 2 * target / (1 + math.sqrt(1 + 4 * rho * target))
    # cosh(arccosh(1 + x) / 3) − 1, written without cancellation
    x = 27 * rho * target / 2
    return 4 / (3 * rho) * math.sinh(math.asinh(math.sqrt(x / 2)) / 3) ** 2


@SETTINGS
@given(lr=rates, momentum=momenta, reach=reaches)
def test_usam_uphill(lr: float, momentum: float, reach: float) -> None:
    assume(momentum > -1)
    C = heavy_ball_edge(lr, momentum)
    rho = reach / C
    L = usam(rho, 1, C)

    filter = USAM(lr=lr, momentum=momentum, rho=rho)

    assert_passband(filter, [(-1 / rho - L, -1 / rho), (0, L)])


@SETTINGS
@given(lr=rates, momentum=momenta, reach=reaches)
def test_two_step_uphill(lr: float, momentum: float, reach: float) -> None:
    assume(momentum > -1)
    C = heavy_ball_edge(lr, momentum)
    rho = reach / C

    filter = USAM(lr=lr, momentum=momentum, rho=rho, steps=2)

    assert_passband(filter, [(-1 / rho, -1 / rho), (0, usam(rho, 2, C))])


@SETTINGS
@given(lr=rates, momentum=momenta, reach=reaches, steps=st.integers(3, 50))
def test_many_steps_uphill(lr: float, momentum: float, reach: float, steps: int) -> None:
    assume(momentum > -1)
    C = heavy_ball_edge(lr, momentum)
    rho = reach / C

    passband = USAM(lr=lr, momentum=momentum, rho=rho, steps=steps).passband()

    def response(lam: float) -> float:
        return lam * (1 + rho * lam) ** steps

    leak, band = passband
    assert_allclose(response(band.upper), C, rtol=1e-12 * steps)
    assert_allclose((band.lower, leak.upper), (0, -1 / rho), rtol=1e-12)
    if steps % 2:
        # h is steep at the far end: an error of λ there appears (1 + steps) times
        assert_allclose(response(leak.lower), C, rtol=1e-9)
    else:
        assert leak.is_point


@SETTINGS
@given(lr=rates, momentum=momenta, reach=reaches)
def test_hessian_usam_uphill(lr: float, momentum: float, reach: float) -> None:
    assume(momentum > -1)
    C = heavy_ball_edge(lr, momentum)
    rho = reach / C**2
    L = 2 / math.sqrt(3 * rho) * math.sinh(math.asinh(1.5 * C * math.sqrt(3 * rho)) / 3)

    assert_passband(HessianUSAM(lr=lr, momentum=momentum, rho=rho), [(0, L)])


@SETTINGS
@given(lr=rates, momentum=momenta, reach=reaches)
def test_usam_downhill(lr: float, momentum: float, reach: float) -> None:
    assume(momentum > -1 and abs(reach - 0.25) > 1e-3)
    C = heavy_ball_edge(lr, momentum)
    r = reach / C

    filter = USAM(lr=lr, momentum=momentum, rho=-r)

    if reach >= 0.25:
        assert_passband(filter, [(0, 1 / r)])
        return
    root = math.sqrt(1 - 4 * r * C)
    a, b = 2 * C / (1 + root), (1 + root) / (2 * r)
    assert_passband(filter, [(0, a), (b, 1 / r)])


@SETTINGS
@given(lr=rates, momentum=momenta, reach=reaches)
def test_two_step_downhill(lr: float, momentum: float, reach: float) -> None:
    assume(momentum > -1 and abs(reach - 4 / 27) > 1e-3)
    C = heavy_ball_edge(lr, momentum)
    r = reach / C

    passband = USAM(lr=lr, momentum=momentum, rho=-r, steps=2).passband()

    assert passband.intervals[-1].upper > 1 / r
    ends = [end for interval in passband for end in interval]
    assert ends[0] == 0
    assert len(ends) == (2 if reach > 4 / 27 else 4)
    assert_allclose([end * (1 - r * end) ** 2 for end in ends[1:]], C, rtol=1e-9)


@SETTINGS
@given(lr=rates, momentum=momenta, reach=reaches)
def test_hessian_usam_downhill(lr: float, momentum: float, reach: float) -> None:
    C = heavy_ball_edge(lr, momentum)
    assume(momentum > -1 and abs(reach - 4 / 27) > 1e-3)
    r = reach / C**2
    v = 1.5 * C * math.sqrt(3 * r)
    c = math.cosh(math.acosh(v) / 3) if v >= 1 else math.cos(math.acos(v) / 3)
    m = 2 / math.sqrt(3 * r) * c

    passband = HessianUSAM(lr=lr, momentum=momentum, rho=-r).passband()

    leak, *rest = passband
    assert_allclose(tuple(leak), (-m, -1 / math.sqrt(r)), rtol=1e-9)
    assert rest[0].lower == 0
    assert_allclose(rest[-1].upper, 1 / math.sqrt(r), rtol=1e-9)
    assert len(rest) == (1 if reach > 4 / 27 else 2)


@SETTINGS
@given(lr=rates, momentum=momenta)
def test_thresholds_where_a_turning_point_touches(lr: float, momentum: float) -> None:
    """At C = 1/(4r) the two halves meet in a point, and so at the thresholds of the others."""
    assume(momentum > -1)
    C = heavy_ball_edge(lr, momentum)

    assert_passband(USAM(lr=lr, momentum=momentum, rho=-0.25 / C), [(0, 4 * C)])
    two_step = USAM(lr=lr, momentum=momentum, rho=-4 / 27 / C, steps=2)
    assert_passband(two_step, [(0, 9 * C)])
    hessian = HessianUSAM(lr=lr, momentum=momentum, rho=-4 / 27 / C**2)
    vertex = C * math.sqrt(27) / 2
    assert_passband(hessian, [(-vertex * 2 / math.sqrt(3), -vertex), (0, vertex)])


@SETTINGS
@given(lr=rates, momentum=momenta, reach=reaches, sign=st.sampled_from([-1, 1]), part=decays)
def test_decay_in_the_loss_shifts_everything(
    lr: float, momentum: float, reach: float, sign: int, part: float
) -> None:
    assume(momentum > -1 and part < 1)
    C = heavy_ball_edge(lr, momentum)
    rho, decay = sign * reach / C, part * C
    plain = USAM(lr=lr, momentum=momentum, rho=rho).passband()

    shifted = USAM(lr=lr, momentum=momentum, rho=rho, weight_decay=decay, decay="loss").passband()

    assert len(plain) == len(shifted)
    scale = max(abs(end) for interval in plain for end in interval)
    for before, after in zip(plain, shifted, strict=True):
        assert_allclose(
            tuple(after), [end - decay for end in before], rtol=1e-9, atol=1e-15 * scale
        )


@SETTINGS
@given(
    lr=rates,
    momentum=momenta,
    reach=reaches,
    part=decays,
    nesterov=st.booleans(),
    decay=st.sampled_from(["coupled", "decoupled"]),
)
def test_decay_outside_the_ascent(
    *, lr: float, momentum: float, reach: float, part: float, nesterov: bool, decay: DecayPlacement
) -> None:
    assume(momentum > -1 / 3 and (momentum or not nesterov))
    C = heavy_ball_edge(lr, momentum)
    rho, omega = reach / C, part * C
    low, high = -omega, C - omega
    if decay == "decoupled":
        low, high = -omega * (1 - momentum), C - omega * (1 + momentum)
    if nesterov:
        high = high / (1 + 2 * momentum) if decay == "decoupled" else C / (1 + 2 * momentum) - omega
    # keep clear of where the target ends at a turning point or becomes empty
    vertex = -1 / (4 * rho)
    assume(min(abs(low - vertex), abs(high - vertex)) > 1e-3 * abs(vertex))
    assume(high - low > 1e-3 * (abs(low) + abs(high)) and abs(high) > 1e-6 * C)

    filter = USAM(
        lr=lr, momentum=momentum, rho=rho, nesterov=nesterov, weight_decay=omega, decay=decay
    )

    def right(value: float) -> float:
        return 2 * value / (1 + math.sqrt(1 + 4 * rho * value))

    if high < vertex:
        assert_passband(filter, [])
    elif low < vertex:
        assert_passband(filter, [(-1 / rho - right(high), right(high))])
    else:
        left = sorted(-1 / rho - right(value) for value in (low, high))
        assert_passband(filter, [(left[0], left[1]), (right(low), right(high))])
