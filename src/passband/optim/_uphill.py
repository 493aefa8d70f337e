"""The engine: look uphill, take the gradient there, come back bit for bit, step."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar, final

import torch
from torch import Tensor
from typing_extensions import override

from passband.optim._checked import CheckedOptimizer, Closure, Part, finite
from passband.optim._lists import add_, copy_
from passband.optim._options import Group

T = TypeVar("T")


class UphillOptimizer(CheckedOptimizer):
    """An optimizer that steps with the gradient found after some moves away from the weights.

    A subclass says which way is up (`_look_up`), how often to go (`_ascents`) and what to do with
    the gradient found there (`_descend`).
    """

    @final
    @override
    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take one step and return the loss at the weights before it.

        Args:
            closure: Computes the loss, calls ``loss.backward()`` and returns the loss. It is
                called once for every gradient the method needs, always with gradients enabled
                and cleared. Draw the batch outside, so that every call sees the same; clipping,
                accumulation and all-reduces belong inside.

        Raises:
            TypeError: The closure is missing or returns no tensor, or a gradient is sparse.
            ValueError: The loss is not one number, no parameter has a gradient, or an option of
                a group was set to something senseless. Whatever is raised, by the closure too,
                the weights are those before the step.
        """
        if closure is None:
            raise TypeError(
                f"{type(self).__name__} evaluates the gradient away from the weights, so `step` "
                "needs a closure that computes the loss, calls backward and returns the loss."
            )
        for group in self.param_groups:
            self._check(group, starting=False)

        ascents = self._ascents()
        moving = self._parameters() if ascents else []
        loss, found = there_and_back(moving, lambda: self._climb(closure, ascents))
        if found is not None and finite(found):
            self._descend(found)
        else:
            self._skip()
        return loss

    def _climb(self, closure: Closure, ascents: int) -> tuple[Tensor, list[Part] | None]:
        """Return the loss before and the gradient after; nothing where the way up is not finite."""
        losses: list[Tensor] = []
        for _ in range(ascents):
            loss, ways = self._look_up(closure)
            losses.append(loss)
            if not finite(ways):
                return losses[0], None
            self._move(ways)
            del ways  # the next evaluation needs the memory
        loss, found = self._gradient(closure)
        return [*losses, loss][0], found

    def _move(self, ways: list[Part]) -> None:
        for group, params, way in ways:
            if rho := self._rho(group):
                add_(params, way, alpha=rho, foreach=group.get("foreach"))

    def _gradient(self, closure: Closure) -> tuple[Tensor, list[Part]]:
        """Return loss and gradient at the weights of the moment."""
        return self._evaluate(closure), self._gradients()

    @abstractmethod
    def _look_up(self, closure: Closure) -> tuple[Tensor, list[Part]]:
        """Return the loss at the weights of the moment, and the way up from there."""

    @abstractmethod
    def _ascents(self) -> int:
        """Return the number of moves before the gradient that counts; none where ρ = 0."""

    @abstractmethod
    def _rho(self, group: Group) -> float:
        """Return how far to go along the way up."""

    @abstractmethod
    def _descend(self, found: list[Part]) -> None:
        """Step from the unperturbed weights with the gradient found."""


def there_and_back(params: list[Tensor], walk: Callable[[], T]) -> T:
    """Return what ``walk`` returns, with ``params`` as before, bit for bit, whatever happens.

    The parameters are saved, not recomputed: adding and subtracting a displacement would round.
    An interrupt can arrive while they are being put back; then they are put back once more.
    """
    saved = [p.clone() for p in params]
    try:
        try:
            return walk()
        finally:
            copy_(params, saved)
            torch.clear_autocast_cache()  # it may hold copies of the perturbed weights
    except BaseException:
        copy_(params, saved)
        raise
