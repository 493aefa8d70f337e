"""Every transition is what plain code of the update does to a mode, checked on unit vectors.

The updates below are written from the papers, one line for one line, on numbers.
"""

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy import ndarray
from numpy.testing import assert_allclose
from update_rules import CURVATURES, UPDATES, Update

from passband import filters
from passband.filters import (
    QHM,
    SGD,
    Adam,
    AdamW,
    Filter,
    FisherSAM,
    NAdam,
    Proximal,
    RMSprop,
)


def test_every_filter_has_its_update_written_out() -> None:
    exported = {value for value in vars(filters).values() if isinstance(value, type)}
    families = {kind for kind in exported if issubclass(kind, Filter) and kind is not Filter}
    missing = families - {type(filter) for filter, _ in UPDATES} - {filters.SAM}  # USAM, frozen
    assert not missing, f"add {missing} to UPDATES in tests/support/update_rules.py"


def measured(update: Update, lam: float, size: int) -> ndarray:
    """The matrix of an update on a mode of curvature λ, column by column."""

    def columns() -> Iterator[tuple[float, ...]]:
        for unit in np.eye(size):
            yield update(lambda x: lam * x, *unit.tolist())

    return np.array(list(columns())).T


@pytest.mark.parametrize(("filter", "update"), UPDATES, ids=[repr(f) for f, _ in UPDATES])
def test_the_transition_is_the_update(filter: Filter, update: Update) -> None:
    transitions = filter.transition(CURVATURES)

    size = transitions.shape[-1]
    expected = np.array([measured(update, lam, size) for lam in CURVATURES])
    # the largest entry of a row bounds what cancelled in it
    scale = np.abs(expected).max(axis=-1, keepdims=True)
    assert (np.abs(transitions - expected) <= 1e-12 * (1 + scale)).all()


@pytest.mark.parametrize(("filter", "update"), UPDATES, ids=[repr(f) for f, _ in UPDATES])
def test_gradients_are_counted_as_the_update_takes_them(filter: Filter, update: Update) -> None:
    taken: list[float] = []

    def grad(x: float) -> float:
        taken.append(x)
        return 3.0 * x

    update(grad, *np.ones(len(filter.transition(0.0))).tolist())

    if isinstance(filter, Proximal):
        assert np.isnan(filter.gradients_per_step)
        return
    again = sum(isinstance(filter, kind) for kind in (NAdam, QHM, FisherSAM))  # same point twice
    assert_allclose(filter.gradients_per_step * filter.period, len(taken) - again)


@pytest.mark.parametrize("family", [SGD, RMSprop, Adam, AdamW, NAdam])
def test_defaults_are_those_of_torch(family: type[Any]) -> None:
    options = inspect.signature(getattr(torch.optim, family.__name__)).parameters
    names = {"decoupled": "decoupled_weight_decay"}

    shared = 0
    for field in dataclasses.fields(family):
        name = names.get(field.name, field.name)
        if name in options and field.default is not dataclasses.MISSING:
            assert field.default == options[name].default, name
            shared += 1
    assert shared >= 1
