"""The gradient oracles that climb first, each with its formula ``h(λ)``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from typing_extensions import override

from passband.filters.response import Response


@final
@dataclass(frozen=True, slots=True)
class Ascent(Response):
    """Gradient after ``k`` unnormalized ascent steps of size ``ρ``: ``h(λ) = λ (1 + ρλ)ᵏ``."""

    rho: float
    steps: int = 1

    @property
    @override
    def degree(self) -> int:
        return self.steps + 1

    @property
    @override
    def gradients(self) -> float:
        return self.steps + 1

    @override
    def __call__(self, lam: Any) -> Any:
        return lam * (1 + self.rho * lam) ** self.steps

    @override
    def sensitivity(self, lam: Any) -> Any:
        return (1 + self.rho * lam) ** self.steps

    @override
    def turning_points(self) -> Sequence[float]:
        if self.rho == 0:
            return ()
        vertex = -1 / (self.rho * (self.steps + 1))
        return sorted([vertex, -1 / self.rho]) if self.steps > 1 else [vertex]


@final
@dataclass(frozen=True, slots=True)
class HessianAscent(Response):
    """Gradient at ``θ + ρ H ∇f(θ)``: ``h(λ) = λ (1 + ρλ²)``."""

    rho: float

    @property
    @override
    def degree(self) -> int:
        return 3

    @property
    @override
    def gradients(self) -> float:
        return 3

    @override
    def __call__(self, lam: Any) -> Any:
        return lam * (1 + self.rho * lam * lam)

    @override
    def sensitivity(self, lam: Any) -> Any:
        return 1 + self.rho * lam * lam

    @override
    def turning_points(self) -> Sequence[float]:
        if self.rho >= 0:
            return ()
        vertex = 1 / math.sqrt(-3 * self.rho)
        return [-vertex, vertex]


@final
@dataclass(frozen=True, slots=True)
class NestedAscent(Response):
    """Gradient at ``θ + ρ ∇f(θ + ρ ∇f(θ))``: ``h(λ) = λ (1 + ρλ + ρ²λ²)``, monotone."""

    rho: float

    @property
    @override
    def degree(self) -> int:
        return 3

    @property
    @override
    def gradients(self) -> float:
        return 3

    @override
    def __call__(self, lam: Any) -> Any:
        return lam * self.sensitivity(lam)

    @override
    def sensitivity(self, lam: Any) -> Any:
        return 1 + self.rho * lam * (1 + self.rho * lam)


@final
@dataclass(frozen=True, slots=True)
class NaturalAscent(Response):
    """Gradient at ``θ + ρ F⁻¹ ∇f(θ)`` where the Fisher matrix F is the Hessian: ``(1 + ρ) λ``."""

    rho: float

    @property
    @override
    def degree(self) -> int:
        return 1

    @property
    @override
    def gradients(self) -> float:
        return 2

    @override
    def __call__(self, lam: Any) -> Any:
        return lam * (1 + self.rho)

    @override
    def sensitivity(self, lam: Any) -> Any:
        return (1 + self.rho) * np.ones_like(lam)
