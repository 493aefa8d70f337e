"""Arithmetic to second order, against polynomials."""

import numpy as np
from hypothesis import given, settings, strategies as st
from numpy import ndarray
from numpy.polynomial import Polynomial
from numpy.testing import assert_allclose

from passband.filters.series import Series

SETTINGS = settings(deadline=None, max_examples=15)
NUMBERS = st.tuples(*[st.floats(-3, 3) for _ in range(3)])


def terms(series: Series) -> tuple[float, float, float]:
    return series.a, series.b, series.c


def truncated(polynomial: Polynomial) -> ndarray:
    return np.append(polynomial.coef, np.zeros(3))[:3]


@SETTINGS
@given(first=NUMBERS, second=NUMBERS, number=st.floats(-3, 3))
def test_sums_and_products_are_those_of_polynomials(
    first: tuple[float, float, float], second: tuple[float, float, float], number: float
) -> None:
    x, y = Series(*first), Series(*second)
    p, q = Polynomial(first), Polynomial(second)

    for found, expected in [
        (x + y, p + q),
        (x - y, p - q),
        (x * y, p * q),
        (-x, -p),
        (x**3, p**3),
        (x**0, p**0),
        (number + x, number + p),
        (x - number, p - number),
        (number - x, number - p),
        (number * x, number * p),
    ]:
        assert_allclose(terms(found), truncated(expected), atol=1e-12)
    assert str(Series(1.0, -0.5, 2.0)) == "1 + -0.5 λ + 2 λ²"


@SETTINGS
@given(first=NUMBERS, second=NUMBERS, leading=st.floats(0.5, 2))
def test_a_quotient_times_its_divisor_is_the_dividend(
    first: tuple[float, float, float], second: tuple[float, float, float], leading: float
) -> None:
    x, y = Series(*first), Series(leading, *second[1:])

    assert_allclose(terms((x / y) * y), first, atol=1e-9)
    assert_allclose(terms((x / 2.0) * 2.0), first, atol=1e-12)
