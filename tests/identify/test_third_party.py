"""Optimizers of other packages, recognized by what they do, not by their names."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from numpy.testing import assert_allclose

from passband import filter_of, filters
from passband.errors import NotAFilterError


def weights() -> list[torch.Tensor]:
    return [torch.ones(2, requires_grad=True)]


def others() -> Any:
    return pytest.importorskip("pytorch_optimizer")


LINEAR: dict[str, tuple[Callable[[], Any], filters.Filter]] = {
    "QHM": (
        lambda: others().QHM(weights(), lr=0.1, momentum=0.8, nu=0.5),
        filters.QHM(lr=0.1, momentum=0.8, nu=0.5),
    ),
    "SGDW": (
        lambda: others().SGDW(weights(), lr=0.1, momentum=0.9, weight_decay=0.3, weight_decouple=1),
        filters.SGD(lr=0.1, momentum=0.9, weight_decay=0.3, decay="decoupled"),
    ),
    "Lookahead": (
        lambda: others().Lookahead(torch.optim.SGD(weights(), lr=0.1), k=3, alpha=0.5),
        filters.Lookahead(filters.SGD(lr=0.1), k=3, alpha=0.5),
    ),
}


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_one_has_the_passband_of_its_formula(name: str) -> None:
    make, formula = LINEAR[name]

    found = filter_of(make())

    assert_allclose(found.edge, formula.edge, rtol=1e-6)
    assert len(found.passband()) == len(formula.passband())
    for one, other in zip(found.passband(), formula.passband(), strict=True):
        assert_allclose(tuple(one), tuple(other), rtol=1e-6, atol=1e-6 * formula.edge)


def test_schedule_free_is_measured_at_its_gradient_point() -> None:
    package = pytest.importorskip("schedulefree")
    optimizer = package.SGDScheduleFree(weights(), lr=0.1, momentum=0.8)
    optimizer.train()

    found = filter_of(optimizer)

    assert_allclose(found.edge, 2 / (0.1 * (1 - 0.8)), rtol=1e-6)  # long after the start


@pytest.mark.parametrize("name", ["Lion", "SignSGD", "Tiger"])
def test_a_sign_method_is_refused(name: str) -> None:
    optimizer = getattr(others(), name)(weights(), lr=0.1)

    with pytest.raises(NotAFilterError, match="not linear"):
        filter_of(optimizer)
