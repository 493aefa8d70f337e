"""The gradient oracles of the catalogue, each with its formula ``h(λ)``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from typing_extensions import override

from passband.filters.passband import Interval, Passband
from passband.filters.response import Piece, Response


@final
@dataclass(frozen=True, slots=True)
class Identity(Response):
    """The gradient at the weights: ``h(λ) = λ``."""

    @property
    @override
    def degree(self) -> int:
        return 1

    @property
    @override
    def gradients(self) -> float:
        return 1

    @override
    def __call__(self, lam: Any) -> Any:
        return lam

    @override
    def sensitivity(self, lam: Any) -> Any:
        return np.ones_like(lam)


@final
@dataclass(frozen=True, slots=True)
class Decay(Response):
    """Gradient of the loss plus ``ω/2 · ‖θ‖²``: ``h(λ) = λ + ω``."""

    weight_decay: float

    @property
    @override
    def degree(self) -> int:
        return 1

    @property
    @override
    def gradients(self) -> float:
        return 1

    @override
    def __call__(self, lam: Any) -> Any:
        return lam + self.weight_decay

    @override
    def sensitivity(self, lam: Any) -> Any:
        return np.ones_like(lam)


def decayed(weight_decay: float) -> Response:
    """Return the gradient at the weights, with coupled weight decay if there is any."""
    return Decay(weight_decay) if weight_decay else Identity()


@final
@dataclass(frozen=True, slots=True)
class Contraction(Response):
    """What k steps of gradient descent take away: ``h(λ) = 1 − (1 − αλ)ᵏ``."""

    lr: float
    steps: int

    @property
    @override
    def degree(self) -> int:
        return self.steps

    @property
    @override
    def gradients(self) -> float:
        return self.steps

    @override
    def __call__(self, lam: Any) -> Any:
        u = self.lr * np.asarray(lam)
        near = np.where(np.abs(u) < 0.5, u, 0.0)  # there the difference would lose its digits
        return np.where(
            near == u, -np.expm1(self.steps * np.log1p(-near)), 1 - (1 - u) ** self.steps
        )

    @override
    def sensitivity(self, lam: Any) -> Any:
        raise NotImplementedError  # every step has a batch of its own: see the stages

    @override
    def turning_points(self) -> Sequence[float]:
        return () if self.steps % 2 else (1 / self.lr,)


@final
@dataclass(frozen=True, slots=True)
class Implicit(Response):
    """Gradient at the weights after the step: ``h(λ) = λ / (1 + αλ)``, with a pole at ``−1/α``."""

    lr: float

    @property
    @override
    def degree(self) -> int:
        return 0

    @property
    @override
    def gradients(self) -> float:
        return math.nan

    @override
    def __call__(self, lam: Any) -> Any:
        return lam / (1 + self.lr * lam)

    @override
    def sensitivity(self, lam: Any) -> Any:
        return 1 / (1 + self.lr * lam)

    @override
    def pieces(self) -> list[Piece]:
        limit, pole = 1 / self.lr, -1 / self.lr
        return [Piece(-math.inf, pole, limit, math.inf), Piece(pole, math.inf, -math.inf, limit)]

    @override
    def solve(self, piece: Piece, value: float) -> float:
        return value / (1 - self.lr * value)


@final
@dataclass(frozen=True, slots=True)
class Chain(Response):
    """One oracle around another: ``h(λ) = outer(inner(λ))``."""

    inner: Response
    outer: Response

    @property
    @override
    def degree(self) -> int:
        return self.inner.degree * self.outer.degree

    @property
    @override
    def gradients(self) -> float:
        return self.inner.gradients * self.outer.gradients

    @override
    def __call__(self, lam: Any) -> Any:
        return self.outer(self.inner(lam))

    @override
    def sensitivity(self, lam: Any) -> Any:
        return self.outer.sensitivity(self.inner(lam)) * self.inner.sensitivity(lam)

    @override
    def turning_points(self) -> Sequence[float]:
        points = Passband(tuple(Interval(p, p) for p in self.outer.turning_points()))
        inherited = {end for interval in self.inner.preimage(points) for end in interval}
        return sorted({*self.inner.turning_points(), *inherited})


def chain(*responses: Response) -> Response:
    """Return the oracles applied one after the other, the first to ``λ`` itself.

    Order is meaning: ``chain(Decay(w), Ascent(rho))`` has the decay in the loss, where it is
    climbed too; ``chain(Ascent(rho), Decay(w))`` has it in the base optimizer.
    """
    result: Response = Identity()
    for response in responses:
        if isinstance(response, Identity):
            continue
        result = response if isinstance(result, Identity) else Chain(result, response)
    return result
