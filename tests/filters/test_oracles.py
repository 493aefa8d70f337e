"""The table of passbands that were found by root finding on the coded update."""

import cmath
import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from passband.filters import (
    SAM,
    SGD,
    USAM,
    AdamW,
    Delayed,
    DerivativeAction,
    ExtrapolatedNesterov,
    Filter,
    HessianUSAM,
    LocalSGD,
    Lookahead,
    NestedUSAM,
    Passband,
    Schedule,
    ScheduleFree,
    Secant,
)

LR, MOMENTUM, RHO, DECAY = 0.04, 0.8, 0.03, 0.2
OUT, ALTERNATES = 1 + 0j, -1 + 0j

HEAVY_BALL: dict[str, Any] = {"lr": LR, "momentum": MOMENTUM}
NESTEROV: dict[str, Any] = {**HEAVY_BALL, "nesterov": True}

# filter, and (lower, upper, exit there, exit there) of every interval
TABLE: list[tuple[Filter, list[tuple[float, float, complex, complex]]]] = [
    (SGD(lr=LR), [(0, 50, OUT, ALTERNATES)]),
    (SGD(**HEAVY_BALL), [(0, 90, OUT, ALTERNATES)]),
    (SGD(**NESTEROV), [(0, 34.615384615, OUT, ALTERNATES)]),
    (SGD(**HEAVY_BALL, weight_decay=DECAY), [(-0.2, 89.8, OUT, ALTERNATES)]),
    (
        USAM(lr=LR, rho=RHO),
        [(-60.762521851, -33.333333333, ALTERNATES, OUT), (0, 27.429188518, OUT, ALTERNATES)],
    ),
    (
        USAM(**HEAVY_BALL, rho=RHO),
        [(-73.918546791, -33.333333333, ALTERNATES, OUT), (0, 40.585213458, OUT, ALTERNATES)],
    ),
    (
        USAM(**NESTEROV, rho=RHO),
        [(-54.503473239, -33.333333333, ALTERNATES, OUT), (0, 21.170139906, OUT, ALTERNATES)],
    ),
    (
        USAM(**HEAVY_BALL, rho=RHO, steps=2),
        [(-33.333333333, -33.333333333, OUT, OUT), (0, 27.247594218, OUT, ALTERNATES)],
    ),
    (
        USAM(**HEAVY_BALL, rho=RHO, steps=3),
        [(-69.641444623, -33.333333333, ALTERNATES, OUT), (0, 20.898517210, OUT, ALTERNATES)],
    ),
    (HessianUSAM(**HEAVY_BALL, rho=RHO), [(0, 13.652866007, OUT, ALTERNATES)]),
    (
        HessianUSAM(**HEAVY_BALL, rho=-0.0002),
        [(-97.949910234, -70.710678119, ALTERNATES, OUT), (0, 70.710678119, OUT, OUT)],
    ),
    (NestedUSAM(**HEAVY_BALL, rho=RHO), [(0, 31.607894408, OUT, ALTERNATES)]),
    (
        SGD(**HEAVY_BALL, weight_decay=DECAY, decay="decoupled"),
        [(-0.04, 89.64, OUT, ALTERNATES)],
    ),
    (
        AdamW(lr=LR, betas=(MOMENTUM, 0.999), weight_decay=DECAY),
        [(-0.2, 448.2, OUT, ALTERNATES)],
    ),
    (DerivativeAction(**HEAVY_BALL, strength=0.03), [(0, 24.324324324, OUT, ALTERNATES)]),
    (Secant(**HEAVY_BALL, strength=0.03), [(0, 24.324324324, OUT, ALTERNATES)]),
    (ExtrapolatedNesterov(**HEAVY_BALL, extrapolation=2.0), [(0, 18, OUT, ALTERNATES)]),
    (ScheduleFree(**HEAVY_BALL, averaging=0.1), [(0, 206.521739130, OUT, ALTERNATES)]),
    (Delayed(lr=LR, delay=3), [(0, 11.126046698, OUT, cmath.exp(1j * math.pi / 7))]),
    (
        Schedule([SGD(lr=0.09), SGD(lr=0.01)]),
        [(0, 26.158318766, OUT, ALTERNATES), (84.952792345, 111.111111111, ALTERNATES, OUT)],
    ),
    (
        LocalSGD(lr=LR, steps=4, outer_lr=1.6, outer_momentum=0.8),
        [(0, 9.856938618, OUT, ALTERNATES), (40.143061382, 50, ALTERNATES, OUT)],
    ),
]
IDS = [repr(filter) for filter, _ in TABLE]


@pytest.mark.parametrize(("filter", "expected"), TABLE, ids=IDS)
def test_passbands_are_those_of_the_table(
    filter: Filter, expected: list[tuple[float, float, complex, complex]]
) -> None:
    intervals = filter.passband().intervals

    ends = [tuple(interval) for interval in intervals]
    exits = [(interval.lower_exit, interval.upper_exit) for interval in intervals]
    # the table is rounded to nine decimals
    assert_allclose(ends, [row[:2] for row in expected], rtol=0, atol=0.6e-9)
    for found, wanted in zip(exits, expected, strict=True):
        assert None not in found
        assert_allclose(np.array(found, dtype=complex), wanted[2:], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("filter", "branch"),
    [
        (
            USAM(**HEAVY_BALL, rho=RHO, weight_decay=DECAY, decay="decoupled"),
            (-0.040048116, 40.480317311),
        ),
    ],
    ids=repr,
)
def test_branch_at_zero_is_that_of_the_table(filter: Filter, branch: tuple[float, float]) -> None:
    interval = next(i for i in filter.passband() if 0.0 in i)

    assert_allclose(tuple(interval), branch, rtol=0, atol=0.6e-9)


@pytest.mark.parametrize(
    ("reset", "expected"),
    [
        (True, [(0, 70.8770927), (79.4917268, 87.1051616)]),
        (False, [(0, 84.1264736)]),
    ],
)
def test_lookahead_over_momentum_is_that_of_the_table(
    reset: bool, expected: list[tuple[float, float]]
) -> None:
    passband = Lookahead(SGD(**HEAVY_BALL), k=5, alpha=0.5, reset=reset).passband()

    assert_allclose([tuple(i) for i in passband], expected, rtol=0, atol=0.6e-7)


@pytest.mark.parametrize(
    ("momentum", "reset", "expected"),
    [
        (0.9, True, [(0, 2.906), (3.411, 3.646)]),
        (0.9, False, [(0, 2.597), (2.900, 3.492)]),
    ],
)
def test_lookahead_can_lower_the_edge_and_make_islands(
    momentum: float, reset: bool, expected: list[tuple[float, float]]
) -> None:
    passband = Lookahead(SGD(lr=1.0, momentum=momentum), k=5, alpha=0.5, reset=reset).passband()

    assert_allclose([tuple(i) for i in passband], expected, rtol=0, atol=0.6e-3)


def test_lookahead_with_more_momentum_and_reset_has_two_islands() -> None:
    passband = Lookahead(SGD(lr=1.0, momentum=0.95), k=5, alpha=0.5, reset=True).passband()

    assert_allclose(passband.edge, 1.081, rtol=0, atol=0.6e-3)
    assert len(passband.islands) == 2


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        (SGD(lr=LR), 33.557046980),
        (SGD(**HEAVY_BALL), 16.635859519),
        (SGD(**NESTEROV), 19.404982188),
    ],
    ids=repr,
)
def test_mean_square_edges_are_those_of_the_table(filter: Filter, expected: float) -> None:
    assert_allclose(filter.mean_square_edge(ratio=0.7), expected, rtol=0, atol=0.6e-9)


def test_frozen_sam_has_the_edge_of_long_and_bartlett() -> None:
    edge = SAM(**HEAVY_BALL, rho=RHO, gradient_norm=0.5).edge

    assert_allclose(edge, 31.282881080, rtol=0, atol=0.6e-9)


@pytest.mark.parametrize(("filter", "expected"), TABLE, ids=IDS)
def test_exits_are_multipliers_on_the_unit_circle(
    filter: Filter, expected: list[tuple[float, float, complex, complex]]
) -> None:
    assert expected
    for interval in filter.passband():
        for end, z in zip(interval, (interval.lower_exit, interval.upper_exit), strict=True):
            assert z is not None
            distance = abs(filter.multipliers(end) - z).min()
            # at an edge the multiplier can be double, so `eigvals` is right to √eps
            assert distance < 4 * math.sqrt(2.3e-16)


def test_edge_and_leaks_are_read_off_the_passband() -> None:
    filter = USAM(lr=LR, rho=RHO)

    passband = filter.passband()

    assert isinstance(passband, Passband)
    assert filter.edge == passband.edge == passband.intervals[1].upper
    assert filter.leaks == passband.leaks == passband.intervals[:1]
    assert SGD(lr=LR).leaks == ()
