"""The table of passbands that were found by root finding on the coded update."""

import math
from typing import Any

import pytest
from numpy.testing import assert_allclose

from passband.filters import SAM, SGD, USAM, Filter, HessianUSAM, Passband

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
    assert exits == [row[2:] for row in expected]


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
