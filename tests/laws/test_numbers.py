"""Options in quotes are told so by everything that takes numbers."""

from collections.abc import Callable
from inspect import unwrap
from typing import Any

import pytest
import torch

import passband as pb
from passband.operators import Identity, UpdateJacobian
from passband.spectra import eigenvalues, trace

H = Identity(3)
SGD = pb.filters.SGD(lr=0.1)
ADAM = torch.optim.Adam([torch.zeros(1, requires_grad=True)])


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("rtol", lambda text: eigenvalues(H, rtol=text)),
        ("seed", lambda text: eigenvalues(H, seed=text)),
        ("max_seconds", lambda text: eigenvalues(H, max_seconds=text)),
        ("max_matvecs", lambda text: trace(H, max_matvecs=text)),
        ("steps", lambda text: pb.transient(H, steps=text)),
        ("ratio", lambda text: unwrap(pb.suggest)(SGD, 10.0, ratio=text)),
    ],
)
def test_a_number_in_quotes(name: str, call: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=rf"`{name}` must be a number; got '60'"):
        call("60")


@pytest.mark.parametrize(
    ("step", "state", "message"),
    [
        ({"a": torch.ones(1)}, lambda s: s, r"The order is UpdateJacobian\(step, state\)"),
        (ADAM.step, {"a": torch.ones(1)}, "changes tensors in place. Write its update out"),
    ],
    ids=["swapped", "an optimizer's"],
)
def test_what_is_no_step_of_a_state(step: Any, state: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        unwrap(UpdateJacobian.__init__)(object.__new__(UpdateJacobian), step, state)
