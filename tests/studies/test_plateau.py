"""The rule that ends a training knows a plateau from a slow rise and from a bounce."""

import math
from collections.abc import Callable

import pytest

from passband.studies.plateau import Ascent, Plateau


def end_of(curve: Callable[[int], float], *, patience: int = 100, limit: int = 2000) -> int | None:
    ascent = Ascent(patience=patience)
    return next((t for t in range(0, limit, 10) if ascent.stopped(t, curve(t))), None)


def test_a_curve_that_stops_rising_ends_a_patience_later() -> None:
    assert end_of(lambda t: min(t, 300)) == 400


def test_a_slow_rise_never_ends() -> None:
    assert end_of(lambda t: 1.02 ** (t / 100)) is None


def test_a_rise_of_less_than_the_tolerance_counts_as_none() -> None:
    assert end_of(lambda t: 1 + 1e-6 * t) == 100


def test_oscillation_below_the_maximum_ends() -> None:
    assert end_of(lambda t: min(t, 200) + 5 * math.sin(t)) in range(280, 400)


def test_a_plateau_is_the_median_of_the_window() -> None:
    steps, values = [0, 10, 20, 30, 40], [100.0, 4.0, 1.0, 3.0, 2.0]

    plateau = Plateau.of(steps, values, window=20)

    assert (plateau.median, plateau.first, plateau.probes) == (2.0, 20, 3)
    assert (plateau.low, plateau.high) == (pytest.approx(1.2), pytest.approx(2.8))


def test_a_window_longer_than_the_run_takes_everything() -> None:
    plateau = Plateau.of([0, 10], [1.0, 3.0], window=1000)

    assert (plateau.median, plateau.first, plateau.probes) == (2.0, 0, 2)


def test_a_single_probe_is_a_plateau_without_spread() -> None:
    plateau = Plateau.of([0], [7.0], window=10)

    assert (plateau.median, plateau.low, plateau.high) == (7.0, 7.0, 7.0)
