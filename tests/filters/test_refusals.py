"""Wrong options and curvatures are refused with a sentence; unusual good ones are not."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from passband.filters import (
    SAM,
    SGD,
    USAM,
    HessianUSAM,
    Lookahead,
    Schedule,
    WeightAverage,
)
from passband.filters.checks import PLACEMENTS, check_choice
from passband.filters.design import design

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(lr=0), "`lr` must be positive and finite; got 0."),
        (lambda: SGD(lr=-1.0), "`lr` must be positive and finite; got -1.0."),
        (lambda: SGD(lr=NAN), "`lr` must be positive and finite; got nan."),
        (lambda: SGD(lr=INF), "`lr` must be positive and finite; got inf."),
        (lambda: SGD(lr=0.1, momentum=NAN), "`momentum` must be a finite number; got nan."),
        (lambda: SGD(lr=0.1, weight_decay=-1e-4), "`weight_decay` must be zero or positive"),
        (lambda: SGD(lr=0.1, dampening=0.5), "`dampening` needs `momentum`"),
        (lambda: SGD(lr=0.1, momentum=0.9, dampening=NAN), "`dampening` must be a finite"),
        (lambda: SGD(lr=0.1, nesterov=True), "`nesterov` needs `momentum`"),
        (
            lambda: SGD(lr=0.1, momentum=0.9, dampening=0.1, nesterov=True),
            "`nesterov` needs `dampening=0`",
        ),
        (lambda: USAM(lr=0.1, rho=NAN), "`rho` must be a finite number; got nan."),
        (lambda: USAM(lr=0.1, rho=INF), "`rho` must be a finite number; got inf."),
        (lambda: USAM(lr=0.1, rho=0.1, steps=0), "`steps` must be a whole number, 1 or more"),
        (lambda: USAM(lr=0.1, rho=0.1, nesterov=True), "`nesterov` needs `momentum`"),
        (lambda: HessianUSAM(lr=NAN, rho=0.1), "`lr` must be positive"),
        (lambda: SAM(lr=0.1, rho=-0.1, gradient_norm=1.0), "`rho` must be zero or positive"),
        (lambda: SAM(lr=0.1, rho=0.1, gradient_norm=0.0), "`gradient_norm` must be positive"),
    ],
)
def test_options_out_of_range_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def out_of_range(name: str, value: Any) -> list[Any]:
    """What no option of this name and kind may be."""
    match value:
        case bool():
            return []
        case float():
            below = [-1.0] if name in {"lr", "weight_decay"} else []
            return [NAN, INF, -INF, "0.1", None, *below, *([0.0] if name == "lr" else [])]
        case int():
            return [-1, 1.5, NAN, INF, "2", None]
        case (float(), float()):
            return [(NAN, 0.9), (0.9, NAN), (0.9, 1.0), (-0.1, 0.9), (0.9,), 0.9, None]
        case str():
            return ["other"]
        case _:
            return []


def test_every_option_of_every_family_is_checked(filter: Any) -> None:
    for field in dataclasses.fields(filter):
        for bad in out_of_range(field.name, getattr(filter, field.name)):
            with pytest.raises(ValueError, match=f"`{field.name}"):
                dataclasses.replace(filter, **{field.name: bad})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Lookahead(cast(Any, "SGD"), k=5, alpha=0.5), "`base` must be a filter; got 'SGD'"),
        (lambda: WeightAverage(cast(Any, SGD), decay=0.9), "`base` must be a filter; got <class"),
        (lambda: Schedule([SGD(lr=0.1), cast(Any, 3)]), r"`filters\[1\]` must be a filter; got 3"),
    ],
)
def test_composites_are_made_of_filters(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()


def test_unknown_choices_are_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'coupled', 'loss', 'decoupled'; got 'adamw'"):
        check_choice("decay", "adamw", PLACEMENTS)


@pytest.mark.parametrize("bad", [NAN, INF, [1.0, NAN], torch.tensor([1.0, INF])], ids=str)
def test_curvatures_that_are_not_finite_are_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="curvatures must be finite; got 1 of"):
        SGD(lr=0.1).radius(bad)


@pytest.mark.parametrize("bad", ["3", [1, "a"], None, pytest.param(object(), id="object")], ids=str)
def test_curvatures_that_are_not_numbers_are_refused(bad: Any) -> None:
    with pytest.raises(TypeError, match="curvatures must be numbers"):
        SGD(lr=0.1).radius(bad)


@pytest.mark.parametrize(
    "lam",
    [
        3,
        3.0,
        np.float32(3),
        np.array(3),
        torch.tensor(3),
        torch.tensor(3.0, requires_grad=True),
        torch.tensor(3.0, dtype=torch.bfloat16),
        torch.tensor(3.0 + 0j),
        True + 2,
    ],
    ids=repr,
)
def test_a_curvature_is_any_number(lam: Any) -> None:
    radius = SGD(lr=0.1).radius(lam)

    assert radius.shape == ()
    assert_allclose(radius, 0.7, rtol=1e-15)


def test_any_shape_of_curvatures_is_kept() -> None:
    filter = SGD(lr=0.1, momentum=0.5)

    assert filter.radius([[1, 2, 3]]).shape == (1, 3)
    assert filter.radius([]).shape == (0,)
    assert filter.multipliers(torch.ones(2, 3)).shape == (2, 3, 2)
    assert filter.transition(np.zeros((4, 1))).shape == (4, 1, 2, 2)


def test_complex_curvatures_of_games_are_welcome() -> None:
    radius = SGD(lr=0.1).radius(2j)

    assert_allclose(radius, abs(1 - 0.2j))


def test_what_exceeds_double_precision_is_outside_and_says_so() -> None:
    filter = USAM(lr=0.1, rho=0.1, steps=9, momentum=0.9)

    assert filter.radius([1.0, 1e300]).tolist()[1] == INF
    assert filter.radius(-1e308) == INF
    assert filter.noise([1.0, 1e300]).tolist()[1] == INF
    assert filter.noise(1e33) == INF  # some entries of the transition are finite
    assert filter.overshoot(1e33).peak == INF
    assert filter.settling(1e33) == INF


def test_a_family_by_its_name_is_told_to_be_the_class() -> None:
    family: Any = "usam"
    with pytest.raises(TypeError, match=r"Pass the class `filters\.USAM`"):
        design(family, edge=10.0, lr=0.1)


def test_a_number_in_quotes_is_refused_as_text() -> None:
    lr: Any = "0.1"
    with pytest.raises(ValueError, match=r"`lr` must be a number; got '0.1'"):
        SGD(lr=lr)
