"""Remedies side by side, against the numbers of the theory."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor

from passband.transients import Blocks
from passband.transients.coupled import (
    Player,
    compare,
    consensus,
    recommend_ratio,
    simultaneous,
    symplectic,
    with_ratio,
)
from passband.transients.matrix_free import transient


def scalar() -> Tensor:
    return torch.zeros(1, dtype=torch.float64)


def sheared(*, mu: float = 0.1, g: float = 20.0, lr: float = 0.05) -> dict[str, Player]:
    """One-way coupling: x descends its own bowl, y follows g x."""

    def driver(w: Mapping[str, Tensor]) -> Tensor:
        return mu * (w["x"] ** 2).sum() / 2

    def driven(w: Mapping[str, Tensor]) -> Tensor:
        return (w["y"] ** 2 / 2 - g * w["x"] * w["y"]).sum()

    return {
        "x": Player(variables=scalar(), loss=driver, lr=lr),
        "y": Player(variables=scalar(), loss=driven, lr=lr),
    }


def zero_sum(p: float = 0.02, r: float = 0.5, q: float = 3.0) -> dict[str, Player]:
    def value(w: Mapping[str, Tensor]) -> Tensor:
        x, y = w["x"], w["y"]
        return (p * x**2 / 2 + q * x * y - r * y**2 / 2).sum()

    return {
        "x": Player(variables=scalar(), loss=value, lr=0.05),
        "y": Player(variables=scalar(), loss=lambda w: -value(w), lr=0.05),
    }


def test_remedies_against_shear() -> None:
    """Of the theory: margins 0.1 and 1, g = 20, both rates 0.05."""
    weak = [consensus(sheared(), strength=0.0005), symplectic(sheared(), strength=0.01)]

    usual, chosen = compare(sheared()), compare(sheared(), updates=weak)

    peaks = {row.update.name: row.peak for row in usual.rows}
    assert_allclose(peaks["simultaneous"], 15.6, atol=0.05)
    assert_allclose(peaks["alternating, 5 of y"], 18.5, atol=0.05)
    left = ("alternating", "extragradient", "optimistic", "lookahead(5, 0.5) of simultaneous")
    for name in (*left, "proximal", "competitive"):
        assert 15.3 < peaks[name] < 15.6
    steps = {row.update.name.partition("(")[0]: row.steps for row in usual.rows}
    damped = {name.partition("(")[0]: peak for name, peak in peaks.items()}
    for name, peak, longer in (("consensus", 6.3, 2.7), ("symplectic", 9.0, 1.9)):
        assert_allclose(damped[name], peak, atol=0.05)
        assert_allclose(steps[name] / steps["simultaneous"], longer, atol=0.05)
    _, first, second = chosen.rows
    assert_allclose([first.peak, second.peak], [13.6, 6.3], atol=0.06)
    plain = usual.rows[0]
    assert_allclose(plain.transient.kreiss.lower, 11.57, atol=0.02)
    assert 1900 < plain.steps < 2100
    assert plain.gradients == 2 * plain.steps
    assert "recommend" not in repr(usual)
    assert "multiply the learning rate of 'y'" in repr(usual)


def test_a_given_strength_is_that_of_both_remedies() -> None:
    table = compare(sheared(), strength=0.0005)

    names = {row.update.name for row in table.rows}
    assert {"consensus(0.0005)", "symplectic(0.0005)"} <= names


def test_remedies_against_rotation() -> None:
    table = compare(zero_sum(), repeats=5)

    radii = {row.update.name: row.transient.radius for row in table.rows}
    expected = {
        "simultaneous": 0.998,
        "alternating": 0.987,
        "alternating, 5 of y": 0.938,
        "extragradient": 0.976,
        "optimistic": 0.975,
        "lookahead(5, 0.5) of simultaneous": 0.926,
    }
    for name, radius in expected.items():
        assert_allclose(radii[name], radius, atol=6e-4)
    critic = next(row for row in table.rows if row.update.name == "alternating, 5 of y")
    assert_allclose(critic.peak, 1.8, atol=0.05)
    assert table.best.gradients == min(row.gradients for row in table.rows)
    assert table.recommendation is None
    assert "no ratio of rates follows" in repr(table)


@pytest.mark.parametrize("flipped", [False, True])
def test_the_recommended_ratio_shrinks_the_transient_in_the_same_time(flipped: bool) -> None:
    game = sheared()
    if flipped:  # whoever is driven is found
        game = {"y": game["y"], "x": game["x"]}

    advice = recommend_ratio(game)

    assert advice is not None
    assert advice.player == "y"
    exact = Blocks.from_margins(alpha=0.005, beta=0.05, c=1.0)
    assert_allclose([advice.blocks.kreiss, advice.blocks.c], [exact.kreiss, 1.0], rtol=1e-6)
    assert_allclose(advice.expected.kreiss, exact.at_ratio(advice.ratio).kreiss, rtol=1e-6)
    assert advice.expected.kreiss < 0.7 * advice.blocks.kreiss
    assert advice.expected.steps() <= 1.1 * exact.best_ratio(limits=(1e-3, 20)).cost
    # measured there is what the closed form of scalar blocks says
    assert_allclose(advice.measured.kreiss.lower, advice.expected.kreiss, rtol=2e-3)
    assert advice.measured.stable


def test_a_level_of_its_own_is_what_counts() -> None:
    early, usual = recommend_ratio(sheared(), eps=0.5), recommend_ratio(sheared())

    assert early is not None
    assert usual is not None
    best = early.blocks.best_ratio(eps=0.5, limits=(1e-3, 20)).cost
    assert early.expected.steps(0.5) <= 1.1 * best < usual.expected.steps(0.5)


def test_a_capped_constant_is_kept() -> None:
    advice = recommend_ratio(sheared(), max_kreiss=3.0)

    assert advice is not None
    assert advice.measured.kreiss.lower <= 3.0


def test_a_game_that_does_not_contract_gets_no_advice_but_a_table() -> None:
    table = compare(zero_sum(p=0.0, r=0.0))

    radii = {row.update.name: row.transient.radius for row in table.rows}
    assert radii["simultaneous"] > 1
    assert_allclose(radii["alternating"], 1, atol=1e-12)
    for name in ("extragradient", "optimistic"):
        assert radii[name] < 1
    assert math.isinf(table.rows[0].gradients)
    assert table.recommendation is None


def test_larger_games_are_compared_by_products() -> None:
    n = 40
    rng = np.random.default_rng(0)
    C = torch.from_numpy(20 * np.linalg.qr(rng.standard_normal((n, n)))[0])
    zeros = torch.zeros(n, dtype=torch.float64)

    def driven(w: Mapping[str, Tensor]) -> Tensor:
        return (w["y"] ** 2).sum() / 2 - w["y"] @ C @ w["x"]

    game = {
        "x": Player(variables=zeros, loss=lambda w: 0.5 * (w["x"] ** 2).sum(), lr=0.1),
        "y": Player(variables=zeros, loss=driven, lr=0.1),
    }

    table = compare(game, updates=[])

    (row,) = table.rows
    exact = Blocks.from_margins(alpha=0.1, beta=0.1, c=2.0)
    assert not row.transient.exact
    assert_allclose(row.peak, exact.peak, rtol=0.01)
    assert_allclose(row.transient.kreiss.lower, exact.kreiss, rtol=0.01)
    assert table.recommendation is not None


def test_one_player_and_three() -> None:
    def bowl(name: str) -> Player:
        return Player(variables=scalar(), loss=lambda w: (w[name] ** 2).sum(), lr=0.1)

    one, three = compare({"x": bowl("x")}), compare({name: bowl(name) for name in "xyz"})

    for table in (one, three):
        assert_allclose(table.rows[0].transient.radius, 0.8)
        assert table.recommendation is None
        assert "ratio" not in repr(table)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="two players; got 1"):
        recommend_ratio({"x": sheared()["x"]})
    with pytest.raises(ValueError, match="`slack`"):
        recommend_ratio(sheared(), slack=-1.0)
    with pytest.raises(TypeError, match="dict of players"):
        compare({})


def test_a_ratio_of_time_scales_is_the_closed_form() -> None:
    """Example of the theory: K*(τ) for μ = 0.1 and 1, g = 20."""
    for tau, constant in ((1 / 20, 3.51), (1 / 5, 6.90), (1.0, 11.57), (5.0, 15.38)):
        update = simultaneous(with_ratio(sheared(lr=0.01), "y", tau))
        found = transient(update.jacobian(), steps=10)
        assert_allclose(found.kreiss.lower, constant, atol=0.012)
