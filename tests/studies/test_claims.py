"""Claims hold, fail, or are left open; they do not hold by accident."""

import math

import pytest

from passband.studies import Claim, Sample


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (1.0, "ok"),
        (1.03, "ok"),
        (0.97, "ok"),
        (1.0301, "not met"),
        (0.96, "not met"),
        (math.nan, "not measured"),
        (math.inf, "not measured"),
    ],
)
def test_near_is_decided_by_the_tolerance(measured: float, verdict: str) -> None:
    claim = Claim.near("x", measured, expected=1.0, tolerance=0.03000001)

    assert claim.verdict == verdict


def test_a_missing_number_says_why() -> None:
    claim = Claim.near("x", math.nan, expected=1.0, tolerance=0.1, missing="it diverged")

    assert (claim.holds, claim.evidence) == (None, "it diverged")


@pytest.mark.parametrize(
    ("larger", "smaller", "verdict"),
    [
        ((5.0, 5.2), (1.0, 1.2), "ok"),
        ((1.0, 1.2), (5.0, 5.2), "not met"),
        ((5.0, 5.2), (5.0, 5.2), "not met"),
        ((3.0, 5.0), (2.0, 4.0), "not met"),  # means differ by less than the deviations
        ((5.0,), (1.0,), "not measured"),  # one seed has no error bar
        ((), (1.0, 1.2), "not measured"),
        ((5.0, math.nan), (1.0, 1.2), "not measured"),
    ],
)
def test_above_needs_error_bars_that_are_apart(
    larger: tuple[float, ...], smaller: tuple[float, ...], verdict: str
) -> None:
    assert Claim.above("x", Sample(larger), Sample(smaller)).verdict == verdict


def test_a_sample_has_the_deviation_of_few_values() -> None:
    sample = Sample((1.0, 2.0, 6.0))

    assert sample.mean == 3.0
    assert sample.deviation == pytest.approx(math.sqrt(7.0))  # (4 + 1 + 9) / 2
    assert str(sample) == "3.0 ± 2.6"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((100.0, 140.0), "120 ± 28"),
        ((0.9, 0.901), "0.90050 ± 0.00071"),
        ((2.0, 2.0), "2 ± 0"),
        ((1e6, 3e6), "2000000 ± 1414214"),
        ((-1e-9, 1e-9), "0.0000000000 ± 0.0000000014"),
    ],
)
def test_a_mean_has_the_digits_that_its_deviation_allows(
    values: tuple[float, float], text: str
) -> None:
    assert str(Sample(values)) == text


def test_a_sample_says_how_many_runs_diverged() -> None:
    assert str(Sample((1.0, math.nan, math.inf))) == "diverged in 2 of 3"
    assert str(Sample(())) == "—"
    assert str(Sample((1.0,))) == "1"
