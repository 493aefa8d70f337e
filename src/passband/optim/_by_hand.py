"""The climb in a training loop of one's own: up, the user's second pass, and back."""

import warnings
from abc import abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from typing_extensions import override

from passband.errors import LostPerturbationWarning
from passband.optim._checked import CheckedOptimizer, Part, Way, finite
from passband.optim._lists import add_
from passband.optim._options import Group
from passband.optim._passes import Passes
from passband.optim._rounding import moved_share
from passband.optim._trail import Trail

_ENOUGH = 0.5  # of the weights must move, or an ascent in low precision is not one


class ByHand(CheckedOptimizer):
    """An optimizer that climbs along gradients, and whose climb can be driven from outside.

    Attributes:
        passes: How the passes of a step are run, as `attach` has set it.
        moved_share: Share of the weights that the first ascent changed after rounding, of those
            in half precision that it should have changed; None in full precision.
    """

    moved_share: float | None = None
    passes: Passes = Passes()
    _trail: Trail | None = None
    _checked_rounding: bool = False

    @final
    @contextmanager
    def ascent(self, *, scaler: GradScaler | None = None) -> Generator[None]:
        """Show the weights uphill inside the block, for a training loop of one's own.

        Outside, ``p.grad`` holds the gradient at the weights; inside, run the same batch again
        and call ``backward()``. The weights come back bit for bit, whatever happens. Then call
        ``step()``. Two-step methods need two blocks, one after the other::

            loss(model(x), y).backward()
            with optimizer.ascent():
                loss(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()

        Accumulation, clipping and all-reduces go where one would expect them. With a scaler, scale
        both losses, give it here, and call ``scaler.step(optimizer)``.

        Args:
            scaler: The gradient scaler, if gradients are scaled.

        Raises:
            ValueError: There is no gradient yet, or there were enough ascents for this step.
            TypeError: The method cannot be driven by hand.
        """
        try:
            self.first_step(zero_grad=True, scaler=scaler)
            yield
        except BaseException:
            self.restore()
            raise
        self._return()

    @final
    @torch.no_grad()
    def first_step(self, zero_grad: bool = False, *, scaler: GradScaler | None = None) -> None:
        """Go uphill along the gradient in ``p.grad``; `second_step` comes back.

        For loops written for other packages. Until then the weights are displaced, whatever
        happens in between; `ascent` is safer, and `restore` puts them back. The buffers of an
        attached model come back with them: batch-norm statistics are counted once.

        Args:
            zero_grad: Clear the gradients afterwards.
            scaler: The gradient scaler, if gradients are scaled.

        Raises:
            ValueError: There is no gradient yet, or there were enough ascents for this step.
            TypeError: The method cannot be driven by hand.
        """
        self._check_groups()
        self._check_by_hand()
        enough = max(self._ascents(), 1)
        if self._trail is not None and self._trail.taken >= enough:
            scaled = self._trail.scaled  # and the scaler has left out the step
            self.restore()
            if not scaled:
                raise ValueError(
                    f"{type(self).__name__} takes {enough} ascent(s) a step; got one more. Call "
                    "`step()` after them, or `restore()` to leave the step out."
                )
        if self._trail is None:
            self._trail = Trail(self._parameters() if self._ascents() else [])
        trail = self._trail
        trail.scaled = scaler is not None and scaler.is_enabled()
        try:
            way = self._way_up(self._gradients(), unit(scaler), trail.taken)
            trail.go_on(self.passes)
            if way.is_finite or self.passes.are_local:
                self._move(way)
            else:
                trail.lost = True
            trail.taken += 1
        except BaseException:
            self.restore()
            raise
        if zero_grad:
            self.zero_grad()

    @final
    def second_step(self, zero_grad: bool = False) -> None:
        """Come back bit for bit and step with the gradient in ``p.grad``.

        Args:
            zero_grad: Clear the gradients afterwards.

        Raises:
            ValueError: There was no `first_step`, or no gradient since.
        """
        if self._trail is None and self._ascents():
            raise ValueError(
                "`second_step` comes back from a `first_step`; there was none. The order is "
                "backward, `first_step`, backward again, `second_step`."
            )
        self._return()
        self.step()
        if zero_grad:
            self.zero_grad()

    @final
    def restore(self) -> None:
        """Put displaced weights back, if there are any, and forget the ascents of this step."""
        if self._trail is not None:
            self._trail.come_back()
            self._trail = None

    @override
    def state_dict(self) -> dict[str, Any]:
        """Return groups and state, as ever; refuse while the weights are displaced."""
        self._check_at_home()
        return super().state_dict()

    def _check_at_home(self) -> None:
        if self._trail is not None and self._trail.away:
            raise ValueError(
                "the weights are displaced between `first_step` and `second_step`. Save after "
                "the step, or call `restore()` first."
            )

    def _step_by_hand(self) -> None:
        """Step with the gradients that the user's loop has left in ``p.grad``."""
        trail, ascents = self._trail, self._ascents()
        if trail is None and ascents:
            raise TypeError(
                f"{type(self).__name__} evaluates the gradient away from the weights, so `step` "
                "needs a closure that computes the loss, calls backward and returns the loss; or "
                "run the second pass in `with optimizer.ascent():` before."
            )
        self.restore()
        if trail is not None and trail.taken < ascents:
            raise ValueError(
                f"{type(self).__name__} takes {ascents} ascents a step; got {trail.taken}. Run "
                "another pass in `with optimizer.ascent():` before the step."
            )
        if trail is not None and trail.lost:
            self._skip()
        else:
            self._conclude(self._gradients())

    def _conclude(self, found: list[Part]) -> None:
        """Step with what was found uphill, if it is finite."""
        if not finite(found):
            self._skip()
            return
        if self.passes.before_descent is not None:
            with torch.enable_grad():
                self.passes.before_descent()
            found = self._gradients()  # which it may have replaced
        self._descend(found)

    def _poison(self) -> None:
        """Make one gradient infinite, so that a scaler lowers its scale."""
        grads = [p.grad for p in self._parameters() if p.grad is not None]
        for g in grads[:1]:
            (g._values() if g.is_sparse else g).fill_(torch.inf)  # noqa: SLF001

    @torch.no_grad()
    def _return(self) -> None:
        """Come back from an ascent by hand, ready for the next or for the step."""
        trail = self._trail
        if trail is None:
            return
        if trail.lost and trail.scaled:
            self._poison()
        trail.come_back(keep=trail.taken < self._ascents())

    def _move(self, way: Way) -> None:
        for group, params, vectors in way.parts:
            if rho := self._rho(group):
                self._check_rounding(params, vectors, rho, way.factor)
                add_(params, vectors, alpha=rho * way.factor, foreach=group.get("foreach"))
        self._checked_rounding = True

    def _check_rounding(
        self, params: list[Tensor], vectors: list[Tensor], rho: float, factor: float
    ) -> None:
        """Measure, at the first ascent, how much of it survives in half precision."""
        if self._checked_rounding:
            return
        share = moved_share(params, vectors, rho * factor)
        if share is None:
            return
        self.moved_share = share if self.moved_share is None else min(share, self.moved_share)
        if share < _ENOUGH:
            warnings.warn(
                f"only {share:.1%} of the weights in half precision move under the ascent of "
                f"{type(self).__name__} (rho {rho:g}): the rest is rounded away. Keep the weights "
                "in float32 and use autocast, keep float32 copies with `optim.Shadow`, or raise "
                "rho.",
                LostPerturbationWarning,
                stacklevel=6,
            )

    def _check_groups(self) -> None:
        for group in self.param_groups:
            self._check(group, starting=False)

    def _check_by_hand(self) -> None:
        """Raise where the method needs more than what is in ``p.grad``."""

    @abstractmethod
    def _way_up(self, parts: list[Part], unit: float, taken: int) -> Way:
        """Return the way up from gradients, which are those of the loss where ``unit`` times.

        Args:
            parts: The gradients, where the ascents have come to.
            unit: What the gradient of the loss is, in units of these.
            taken: Ascents of this step before this one.
        """

    @abstractmethod
    def _ascents(self) -> int:
        """Return the number of moves before the gradient that counts; none where ρ = 0."""

    @abstractmethod
    def _rho(self, group: Group) -> float:
        """Return how far to go along the way up."""

    @abstractmethod
    def _descend(self, found: list[Part]) -> None:
        """Step from the unperturbed weights with the gradient found."""


def unit(scaler: GradScaler | None) -> float:
    """Return what the gradient of the loss is, in units of the gradients in ``p.grad``."""
    return 1.0 if scaler is None else 1.0 / scaler.get_scale()
