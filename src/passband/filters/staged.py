"""Filters that are made of stages: one loop, or several in turn."""

from abc import abstractmethod
from typing import final

import numpy as np
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Float, Num
from passband.filters.base import Filter
from passband.filters.cycle import Cycle, Stage
from passband.filters.loop import Loop
from passband.filters.oracles import Identity
from passband.filters.passband import Passband
from passband.filters.response import Response


class LoopFilter(Filter):
    """A filter that is one loop, shown the curvature through a gradient oracle.

    Subclasses say what the loop is; ``M(λ) = A + h(λ) b cᵀ`` follows, and the passband is the
    preimage under ``h`` of the loop's own.
    """

    @property
    @abstractmethod
    def loop(self) -> Loop:
        """The optimizer as a feedback loop, given the gradient of its oracle."""

    @property
    def response(self) -> Response:
        """The gradient oracle ``λ ↦ h(λ)``; the gradient at the weights by default."""
        return Identity()

    @property
    @override
    def gradients_per_step(self) -> float:
        return self.response.gradients

    @property
    @override
    def stages(self) -> tuple[Stage, ...]:
        return (Stage(self.loop, self.response),)

    @final
    @override
    def _transition(self, lam: Num[ndarray, "*batch"]) -> Num[ndarray, "*batch s s"]:
        return self.loop.transition(np.asarray(self.response(lam)))

    @final
    @override
    def _passband(self) -> Passband:
        return self.response.preimage(self.loop.admissible())

    @property
    @final
    @override
    def _units(self) -> Float[ndarray, " s"]:
        return self.loop.units


class CycleFilter(Filter):
    """A filter whose period has several stages: ``M(λ)`` is their product."""

    @property
    @abstractmethod
    @override
    def stages(self) -> tuple[Stage, ...]:
        """The period as linear maps, one after the other."""

    @property
    @final
    def cycle(self) -> Cycle:
        """The stages on their common state."""
        return Cycle.of(self.stages)

    @property
    @override
    def gradients_per_step(self) -> float:
        return sum(stage.gradients for stage in self.stages) / self.period

    @final
    @override
    def _transition(self, lam: Num[ndarray, "*batch"]) -> Num[ndarray, "*batch s s"]:
        E = self.cycle.change(lam)
        return np.eye(E.shape[-1]) + E

    @override
    def _passband(self) -> Passband:
        return Cycle.of(self.stages, scaled=True).admissible()

    @property
    @final
    @override
    def _units(self) -> Float[ndarray, " s"]:
        return self.cycle.units
