"""Optimizers of one gradient a step, made alike."""

from collections.abc import Callable
from typing import Any

import pytest

from passband.optim import DerivativeSGD, ExtrapolatedSGD, SecantSGD

Make = Callable[..., Any]


def derivative(params: Any, lr: float, momentum: float, **options: Any) -> DerivativeSGD:
    return DerivativeSGD(params, lr, momentum=momentum, **options)


def extrapolated(params: Any, lr: float, momentum: float, **options: Any) -> ExtrapolatedSGD:
    strength = options.pop("strength", None)
    return ExtrapolatedSGD(params, lr, momentum, strength, **options)


def secant(params: Any, lr: float, momentum: float, **options: Any) -> SecantSGD:
    return SecantSGD(params, lr, momentum=momentum, **options)


ALL = pytest.mark.parametrize("make", [derivative, extrapolated, secant])
