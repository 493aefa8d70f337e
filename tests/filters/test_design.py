"""From a wanted edge back to the option that gives it."""

import inspect
import math
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose

from passband.errors import FilterWarning
from passband.filters import (
    ASAM,
    EF21,
    QHM,
    SAM,
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
    HeldAscent,
    HessianUSAM,
    LocalSGD,
    Lookahead,
    MixedMemory,
    NAdam,
    NestedUSAM,
    Optimistic,
    Parity,
    PeriodicAscent,
    Proximal,
    RMSprop,
    ScheduleFree,
    Secant,
    UphillLoss,
    design,
)
from passband.filters.design import _by_root

SETTINGS = settings(deadline=None, max_examples=10)
FAMILIES: list[tuple[type[Filter], dict[str, Any]]] = [
    (SGD, {"momentum": 0.9}),
    (SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    (USAM, {"lr": 0.01}),
    (USAM, {"lr": 0.01, "momentum": 0.9, "steps": 2, "weight_decay": 0.01}),
    (USAM, {"rho": 0.3, "momentum": 0.9}),
    (HessianUSAM, {"lr": 0.01, "momentum": 0.5}),
    (NestedUSAM, {"lr": 0.01}),
    (GradientPenalty, {"lr": 0.01, "weight_decay": 0.01, "decay": "decoupled"}),
    (UphillLoss, {"lr": 0.01}),
    (ASAM, {"lr": 0.01, "scale": 0.3}),
    (SAM, {"lr": 0.01, "gradient_norm": 0.3}),
    (FisherSAM, {"lr": 0.01}),
    (RMSprop, {}),
    (Adam, {}),
    (AdamW, {}),
    (NAdam, {}),
    (QHM, {"momentum": 0.9, "nu": 0.7}),
    (DerivativeAction, {"lr": 0.01, "momentum": 0.9}),
    (DerivativeAction, {"strength": 0.001}),
    (Secant, {"lr": 0.01, "momentum": 0.5}),
    (Secant, {"lr": 0.01, "momentum": 0.95}),
    (Parity, {"lr": 0.01}),
    (MixedMemory, {"lr": 0.01}),
    (ExtrapolatedNesterov, {"lr": 0.01, "momentum": 0.9}),
    (Optimistic, {"lr": 0.01}),
    (Extragradient, {}),
    (Delayed, {"delay": 3}),
    (EF21, {"compression": 0.3}),
    (LocalSGD, {"steps": 8, "outer_lr": 0.7, "outer_momentum": 0.9}),
    (ScheduleFree, {}),
    (HeldAscent, {"lr": 0.01, "every": 3}),
    (HeldAscent, {"lr": 0.01, "every": 3, "momentum": 0.5}),
    (PeriodicAscent, {"lr": 0.01, "every": 2}),
]


@pytest.mark.parametrize(("family", "options"), FAMILIES, ids=lambda value: repr(value)[-60:])
def test_the_design_has_the_edge(family: type[Filter], options: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FilterWarning)
        found = design(family, edge=40.0, **options)

    assert isinstance(found, family)
    assert_allclose(found.edge, 40, rtol=1e-9)
    assert all(getattr(found, name) == value for name, value in options.items())


@SETTINGS
@given(
    lr=st.floats(-5, 2).map(lambda x: 10.0**x), momentum=st.floats(0, 0.99), part=st.floats(0.01, 1)
)
def test_designs_are_the_closed_forms(lr: float, momentum: float, part: float) -> None:
    C = 2 * (1 + momentum) / lr
    E = part * C

    derivative = design(DerivativeAction, edge=E, lr=lr, momentum=momentum)
    hessian = design(HessianUSAM, edge=E, lr=lr, momentum=momentum)
    nesterov = design(ExtrapolatedNesterov, edge=E, lr=lr, momentum=momentum)

    assert_allclose(derivative.strength, 1 / E - 1 / C, rtol=1e-8, atol=1e-12 / E)
    assert_allclose(hessian.rho, (C / E - 1) / E**2, rtol=1e-8, atol=1e-12 / E**2)
    assert_allclose(nesterov.extrapolation, (C / E - 1) / 2, rtol=1e-8, atol=1e-12)
    assert_allclose(design(SGD, edge=E, momentum=momentum).lr, lr / part)


@pytest.mark.parametrize(
    ("family", "options"),
    [
        (USAM, {}),
        (USAM, {"steps": 2}),
        (GradientPenalty, {}),
        (UphillLoss, {}),
        (ASAM, {"scale": 0.3}),
        (SAM, {"gradient_norm": 0.3}),
        (HessianUSAM, {}),
        (NestedUSAM, {}),
        (FisherSAM, {}),
        (ExtrapolatedNesterov, {"momentum": 0.9}),
    ],
    ids=lambda value: repr(value)[-40:],
)
def test_formulas_reach_where_no_search_would(
    family: type[Filter], options: dict[str, Any]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FilterWarning)
        found = design(family, edge=1e-16, lr=0.01, **options)

    assert_allclose(found.edge, 1e-16, rtol=1e-12)


def test_the_plain_edge_needs_nothing_whatever_rounding_says() -> None:
    lr = 10.0**0.21875  # 2 · 1.5 / lr is one unit above the edge that is found

    assert design(DerivativeAction, edge=3 / lr, lr=lr, momentum=0.5).strength < 1e-12


def test_a_leak_is_warned_of() -> None:
    with pytest.warns(FilterWarning, match="also lets saddles attract, at curvatures in \\["):
        found = design(USAM, edge=0.5, lr=1.0)

    assert_allclose(found.rho, 6.0)


def test_an_edge_above_the_plain_one_is_out_of_reach() -> None:
    with pytest.raises(ValueError, match=r"an edge of 30 cannot be reached: .* \[.*, 20\]. Lower"):
        design(HessianUSAM, edge=30.0, lr=0.1)


def test_where_lr_is_solved_for_no_other_lr_is_advised() -> None:
    with pytest.raises(ValueError, match=r"with `lr` from .* Change the other options\.$"):
        design(USAM, edge=1e9, rho=1e9)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("edge", [1e-3, 1e-6, 1e-9])
def test_an_edge_far_below_the_weight_decay(edge: float, momentum: float) -> None:
    """An edge is 2(1 + β)/α − ω then, to the digits that such a difference has."""
    found = design(SGD, edge=edge, weight_decay=0.1, momentum=momentum)

    assert found.lr == pytest.approx(2 * (1 + momentum) / (0.1 + edge), rel=1e-12)
    assert found.edge == pytest.approx(edge, rel=1e-9, abs=1e-16)


def test_an_edge_that_jumps_is_said_to_jump() -> None:
    """Periodic ascent never excludes 1/η: its edge leaps over there, and leaves an island."""
    with pytest.raises(
        ValueError, match=r"no `rho` gives PeriodicAscent an edge of 0\.9: .* jumps"
    ):
        design(PeriodicAscent, edge=0.9, lr=1.0, every=2)


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        (USAM, {}, "needs `lr` of USAM to find `rho`"),
        (SGD, {"lr": 0.1}, "`lr` of SGD is given, .* Leave it out"),
        (USAM, {"lr": 0.1, "rho": 0.1}, "`rho` and `lr` of USAM are all given"),
        (USAM, {"learning_rate": 0.1}, "USAM has no option `learning_rate`. Known: lr, rho"),
        (Lookahead, {}, "does not know Lookahead.* design the parts"),
        (Proximal, {}, "does not know Proximal"),
        (torch.optim.SGD, {}, "one of `passband.filters`; got <class .torch"),
        (3, {}, "one of `passband.filters`; got 3"),
    ],
)
def test_what_cannot_be_designed(
    family: type[Filter], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        design(family, edge=5.0, **options)


@pytest.mark.parametrize("decay", [-5.0, float("nan"), "0.1"])
def test_a_weight_decay_is_no_negative_number(decay: Any) -> None:
    with pytest.raises(ValueError, match="`weight_decay` must be"):
        design(SGD, edge=5.0, weight_decay=decay)


@pytest.mark.parametrize("edge", [0.0, -1.0, float("nan"), float("inf")])
def test_an_edge_is_a_positive_number(edge: float) -> None:
    with pytest.raises(ValueError, match="`edge` must be positive and finite"):
        design(SGD, edge=edge)


def test_of_several_places_the_first_is_found() -> None:
    """No family we scanned has more than one, so the edges are drawn: 1 at 0.1, 10 and 1000."""

    def made(value: float) -> Any:
        turn = math.pi / 2 * (math.log10(max(value, 0.01)) + 2)
        return SimpleNamespace(value=value, edge=2 ** math.cos(turn))

    assert_allclose(_by_root(made, "rho", 1.0, 1.0).value, 0.1, rtol=1e-12)


@pytest.mark.parametrize("place", [1.0, 4.0**-3, 4.0**5])
def test_a_place_that_the_search_looks_at_is_returned_as_it_is(place: float) -> None:
    def made(value: float) -> Any:
        return SimpleNamespace(value=value, edge=place / value if value else math.inf)

    assert _by_root(made, "rho", 1.0, 1.0).value == place


@pytest.mark.parametrize(
    "options", [{"weight_decay": 3.0}, {"weight_decay": 30.0, "momentum": 0.9}]
)
def test_a_decay_beyond_the_edge_of_lr_one_is_no_obstacle(options: dict[str, float]) -> None:
    found = design(SGD, edge=20.0, **options)

    assert found.edge == pytest.approx(20.0)
    assert found.lr > 0


def test_where_no_option_gives_an_edge_the_options_are_named() -> None:
    with pytest.raises(ValueError, match=r"has no edge, whatever `lr` is: it admits ∅.*momentum"):
        design(SGD, edge=5.0, momentum=1.5)
    with pytest.raises(ValueError, match=r"whatever `rho` is"):
        design(USAM, edge=5.0, lr=0.1, momentum=1.5)
    with pytest.raises(TypeError, match=r"got USAM\(lr=0.1, rho=0.1\)\. Pass `USAM`"):
        inspect.unwrap(design)(USAM(lr=0.1, rho=0.1), edge=5.0)
