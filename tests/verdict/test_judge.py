"""`judge` reads a spectrum under a filter, error bars included."""

import dataclasses
import math
from collections.abc import Sequence
from inspect import unwrap
from typing import Any

import pytest
import torch
from numpy.testing import assert_allclose

import passband as pb
from passband import filters
from passband.verdict import Verdict, judge, suggest
from passband.verdict.mode import state_of


def spectrum(values: Sequence[float], error: float = 0.0) -> pb.Spectrum:
    """The exact spectrum of a diagonal matrix, with the error bars a test wants."""
    matrix = torch.diag(torch.tensor(values, dtype=torch.float64))
    found = pb.eigenvalues(pb.MatrixOperator(matrix), k=len(values), verify=False)
    exact = torch.tensor(sorted(values, reverse=True), dtype=torch.float64)
    return dataclasses.replace(found, values=exact, errors=torch.full_like(exact, error))


def states(verdict: Verdict) -> list[str]:
    return [mode.state for mode in verdict.modes]


def test_every_mode_has_its_factor_and_state() -> None:
    verdict = pb.judge(spectrum([30.0, 10.0, -2.0]), filters.SGD(lr=0.1))

    assert states(verdict) == ["above the edge", "admitted", "escaping"]
    assert_allclose([mode.radius for mode in verdict.modes], [2.0, 0.0, 1.2], atol=1e-12)
    assert verdict.ratio == pytest.approx(1.5)
    assert verdict.admissible is False
    assert verdict.sharpness == 30


def test_negative_curvature_alone_is_no_edge() -> None:
    shown = str(pb.judge(spectrum([10.0, 5.0, -2.0]), filters.SGD(lr=0.1)))

    assert "not at rest: 1 of 3" in shown
    assert "nothing is above the edge" in shown
    assert f"e times farther every {1 / math.log(1.2):.3g} steps" in shown


def test_a_saddle_in_the_leak_is_let_through() -> None:
    usam = filters.USAM(lr=0.002, rho=1.0)

    verdict = pb.judge(spectrum([1.0, -4.0]), usam)

    assert states(verdict) == ["admitted", "leak"]
    assert verdict.admissible is True
    assert "attracts" in str(verdict)


def test_an_error_bar_over_a_boundary_leaves_it_open() -> None:
    verdict = pb.judge(spectrum([19.9, 1.0], error=0.2), filters.SGD(lr=0.1))

    assert states(verdict) == ["undecided", "admitted"]
    assert verdict.admissible is None
    assert "error bars of 1 of 2 measured directions hold a boundary" in str(verdict)
    assert verdict.ratio_error == pytest.approx(0.01)


def test_flat_directions_are_no_violation() -> None:
    verdict = pb.judge(spectrum([5.0, 1e-9, -1e-9], error=1e-8), filters.SGD(lr=0.1))

    assert states(verdict) == ["admitted", "flat", "flat"]
    assert verdict.admissible is True


def test_between_islands_is_above_the_edge_and_an_island_is_admitted() -> None:
    islands = filters.USAM(lr=0.04, rho=-0.001)  # [0, 52.8] ∪ [947.2, 1000]

    verdict = pb.judge(spectrum([950.0, 100.0, 10.0]), islands)

    assert states(verdict) == ["admitted", "above the edge", "admitted"]


def test_says_whether_a_critical_point_is_near() -> None:
    sharp = spectrum([10.0, 1.0])
    sgd = filters.SGD(lr=0.1)

    unknown = pb.judge(sharp, sgd)
    near = pb.judge(sharp, sgd, gradient_norm=0.1, weights_norm=5.0)
    far = pb.judge(sharp, sgd, gradient_norm=10.0, weights_norm=5.0)
    at = pb.judge(sharp, sgd, gradient_norm=0.0)

    assert [v.applies for v in (unknown, near, far, at)] == [None, True, False, True]
    assert near.distance == pytest.approx(0.01)
    assert "0.20% of ‖θ‖" in str(near)
    assert "read the factors as local" in str(far)


def test_plain_norms_say_nothing_about_preconditioned_distances() -> None:
    sharp = dataclasses.replace(spectrum([10.0, 1.0]), curvature="preconditioned")
    adam = filters.Adam(lr=0.1)

    plain = pb.judge(sharp, adam, gradient_norm=0.1, weights_norm=5.0)
    weighed = pb.judge(sharp, adam, gradient_norm=0.1, weighed_norm=2.0, weights_norm=5.0)

    assert plain.distance is None
    assert plain.applies is None
    assert weighed.distance == pytest.approx(0.2)
    assert weighed.applies is False
    with pytest.raises(ValueError, match="`weighed_norm` must be finite and not negative"):
        pb.judge(sharp, adam, weighed_norm=-1.0)


def test_without_positive_curvature_no_minimum_is_near() -> None:
    verdict = pb.judge(
        spectrum([-1.0, -2.0]), filters.SGD(lr=0.1), gradient_norm=1.0, weights_norm=1.0
    )

    assert verdict.applies is False
    assert "no positive curvature" in str(verdict)


def test_an_edge_of_zero_has_an_infinite_ratio() -> None:
    verdict = pb.judge(spectrum([1.0]), filters.SGD(lr=0.1, momentum=1.5))

    assert math.isinf(verdict.ratio)
    assert verdict.admissible is False


def test_prints_for_terminal_and_notebook() -> None:
    verdict = pb.judge(
        spectrum([30.0, 10.0]), filters.SGD(lr=0.1), gradient_norm=0.5, weights_norm=9.0, loss=0.25
    )

    assert "sharpness 30" in str(verdict)
    assert "above the edge: 1 of 2 measured directions grow" in str(verdict)
    assert "SGD(lr=0.1" in str(verdict)
    assert verdict._repr_html_().count("<tr>") == 3


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_refuses_a_gradient_norm_that_is_none(bad: float) -> None:
    with pytest.raises(ValueError, match="`gradient_norm` must be finite and not negative"):
        pb.judge(spectrum([1.0]), filters.SGD(lr=0.1), gradient_norm=bad)


def test_a_wide_bar_around_zero_is_not_flat() -> None:
    """−12.7 ± 60 at an edge of 12,665: 0.5 % of it, where a factor of 1.03 a step may hide."""
    passband = filters.AdamW(lr=0.003, weight_decay=0.1).passband()

    assert state_of(-12.7, 60.0, passband) == "undecided"
    assert state_of(-0.0001, 5.0, passband) == "flat"
    assert state_of(6396.0, 0.02, passband) == "admitted"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: unwrap(judge)(f, f), "`judge` takes a spectrum and a filter, in this order"),
        (lambda f: unwrap(suggest)(10.0, f), r"got 10\.0\. The order is suggest\(optimizer"),
    ],
)
def test_arguments_in_the_wrong_order(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call(filters.SGD(lr=0.1))


@pytest.mark.parametrize(
    "filter",
    [
        filters.RMSprop(lr=0.1),
        filters.Lookahead(filters.Adam(lr=0.1), k=2, alpha=0.5),
        filters.WeightAverage(filters.AdamW(lr=0.1), decay=0.9),
        filters.Schedule([filters.Adam(lr=0.1), filters.Adam(lr=0.2)]),
    ],
)
def test_what_is_made_of_a_preconditioned_filter_is_one_too(filter: filters.Filter) -> None:
    hessian = dataclasses.replace(spectrum([3.0, 1.0]), curvature="plain")

    assert "P^(-1/2) H P^(-1/2)" in str(filter)
    with pytest.raises(ValueError, match="one of preconditioned curvature"):
        judge(hessian, filter)
