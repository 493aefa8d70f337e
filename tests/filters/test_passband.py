"""Intervals and passbands as values."""

import math
from typing import Any

import numpy as np
import pytest

from passband.filters import SGD, USAM, Interval, Passband, Proximal


def test_an_interval_is_closed_and_unpacks() -> None:
    interval = Interval(-1.0, 2.0)

    lower, upper = interval

    assert (lower, upper) == (-1.0, 2.0)
    assert -1.0 in interval
    assert 2.0 in interval
    assert 2.0001 not in interval
    assert math.inf - math.inf not in interval


def test_intervals_are_written_as_in_mathematics() -> None:
    written = [str(i) for i in (Interval(0, 20), Interval(3, 3), Interval(-math.inf, -2))]

    assert written == ["[0, 20]", "{3}", "(-inf, -2]"]
    assert str(Interval(-0.0, 2)) == "[0, 2]"  # there is one zero
    assert str(Interval(-2, -0.0)) == "[-2, 0]"


def test_a_union_joins_what_touches() -> None:
    union = Passband.union([Interval(2, 3), Interval(0, 1), Interval(1, 2), Interval(5, 6)])

    assert [tuple(i) for i in union] == [(0, 3), (5, 6)]
    assert [tuple(i) for i in Passband.union([Interval(0, 5), Interval(1, 2)])] == [(0, 5)]
    assert str(union) == "[0, 3] ∪ [5, 6]"
    assert len(union) == 2


def test_a_union_keeps_the_exits_of_its_ends() -> None:
    first = Interval(0, 1, lower_exit=1 + 0j, upper_exit=-1 + 0j)
    second = Interval(1, 2, lower_exit=1j, upper_exit=-1 + 0j)

    joined = Passband.union([second, first]).intervals[0]

    assert (joined.lower_exit, joined.upper_exit) == (1 + 0j, -1 + 0j)


def test_edge_islands_and_leaks() -> None:
    passband = Passband((Interval(-9, -8), Interval(-1, 4), Interval(6, 7), Interval(8, 8)))

    assert passband.edge == 4
    assert [tuple(i) for i in passband.islands] == [(6, 7), (8, 8)]
    assert [tuple(i) for i in passband.leaks] == [(-9, -8), (-1, 0)]


def test_without_curvatures_above_zero_the_edge_is_zero() -> None:
    assert Passband(()).edge == 0
    assert Passband((Interval(0, 0),)).edge == 0
    assert Passband((Interval(0, 0),)).islands == ()  # {0} is not above it
    assert Passband((Interval(1, 2),)).edge == 0
    assert [tuple(i) for i in Passband((Interval(1, 2),)).islands] == [(1, 2)]
    assert str(Passband(())) == "∅"


def test_an_endless_interval_has_an_infinite_edge() -> None:
    assert Passband((Interval(0, math.inf),)).edge == math.inf


def test_only_finite_ends_have_an_exit() -> None:
    """The implicit step has 1 / (1 + λ / 10): −1 at λ = −20 and 1 at 0."""
    below, above = Proximal(lr=0.1).passband()

    assert (below.lower_exit, below.upper_exit) == (None, -1)
    assert (above.lower_exit, above.upper_exit) == (1, None)


def test_what_no_gradient_reaches_admits_everything() -> None:
    (everything,) = SGD(lr=0.1, momentum=1.0, dampening=1.0).passband()

    assert tuple(everything) == (-math.inf, math.inf)
    assert (everything.lower_exit, everything.upper_exit) == (None, None)


def test_contains_keeps_the_shape() -> None:
    passband = USAM(lr=0.1, rho=0.1).passband()

    inside = passband.contains([[1.0, -15.0], [-5.0, 99.0]])

    assert inside.tolist() == [[True, True], [False, False]]
    assert not passband.contains(np.nan)
    assert 1.0 in passband
    assert -5.0 not in passband
    several: Any = np.array([1.0, 2.0])
    with pytest.raises(ValueError, match=r"one curvature; got 2\. `contains` takes many"):
        _ = several in passband


def test_filters_and_passbands_are_values() -> None:
    one, other = USAM(lr=0.1, rho=0.1), USAM(lr=0.1, rho=0.1)

    assert one == other
    assert hash(one) == hash(other)
    assert one.passband() == other.passband()
