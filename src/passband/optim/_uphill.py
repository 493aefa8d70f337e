"""The engine: look uphill, take the gradient there, come back bit for bit, step.

It is driven in one of three ways: ``step(closure)``; ``with optimizer.ascent(): ...`` in a loop
of one's own; or `first_step` and `second_step`, as other packages have it.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar, cast, final

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from typing_extensions import override

from passband.optim._by_hand import ByHand, unit
from passband.optim._checked import Closure, Part, Way, check_closure
from passband.optim._lists import copy_
from passband.optim._passes import Passes, Randomness
from passband.optim._trail import Trail

T = TypeVar("T")


class UphillOptimizer(ByHand):
    """An optimizer that steps with the gradient found after some moves away from the weights.

    A subclass says which way is up (`_way_up`), how often to go (`_ascents`) and what to do with
    the gradient found there (`_descend`).
    """

    @final
    def attach(
        self,
        model: nn.Module,
        *,
        same_randomness: bool = False,
        local_ascent: bool = False,
        before_descent: Callable[[], object] | None = None,
    ) -> None:
        """Tell the optimizer about the model, so that the extra passes leave no trace in it.

        Without it every pass counts: batch-norm statistics are updated at the perturbed weights
        too, dropout draws new masks, and processes average each gradient.

        Args:
            model: Its buffers are counted once: after a step they are those of the first pass.
            same_randomness: Draw the same dropout masks in every pass. For ``step(closure)``.
            local_ascent: Each process climbs its own loss, and only the gradient that counts is
                averaged: an ascent costs no traffic. ``model`` must have ``no_sync``, as
                ``DistributedDataParallel`` does.
            before_descent: Called once a step, with the weights back and the gradient that counts
                in ``p.grad``: the place for ``clip_grad_norm_``.

        Raises:
            TypeError: ``model`` is no module, or has no ``no_sync`` where one is needed.
        """
        if not isinstance(model, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"`attach` needs the model, a torch module; got {model!r}.")
        if local_ascent and not hasattr(model, "no_sync"):
            raise TypeError(
                "`local_ascent` needs a model with `no_sync`, such as DistributedDataParallel; "
                f"{type(model).__name__} has none."
            )
        self.passes: Passes = Passes(
            model=model,
            same_randomness=same_randomness,
            no_sync=cast("Any", model).no_sync if local_ascent else None,
            before_descent=before_descent,
        )

    @final
    @override
    @torch.no_grad()
    def step(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, closure: Closure | None = None, *, scaler: GradScaler | None = None
    ) -> Tensor | None:
        """Take one step and return the loss at the weights before it.

        Args:
            closure: Computes the loss, calls ``loss.backward()`` and returns the loss. It is
                called once for every gradient the method needs, always with gradients enabled
                and cleared. Draw the batch outside, so that every call sees the same;
                accumulation and all-reduces belong inside. Where another optimizer has the
                rest of the model, start it with ``model.zero_grad()``: only the parameters of this
                one are cleared. Left out after `ascent` or `first_step`: then the step uses what
                is in ``p.grad``, and returns nothing.
            scaler: The gradient scaler of mixed precision, if the closure calls
                ``scaler.scale(loss).backward()``. The step is then the scaler's: it is skipped
                where a gradient overflowed, in any pass. ``scaler.update()`` stays outside.

        Raises:
            TypeError: The closure is missing or returns no tensor, or a gradient is sparse where
                the method needs it dense: `HessianUSAM`, and coupled weight decay.
            ValueError: The loss is not one number, no parameter has a gradient, or an option of
                a group was set to something senseless. Whatever is raised, by the closure too,
                the weights are those before the step.
        """
        self._check_groups()
        if closure is None:
            self._step_by_hand()
            return None
        check_closure(closure)
        if scaler is not None or self.passes.before_descent is not None:
            self._check_by_hand()
        self.restore()
        ascents = self._ascents()
        moving = self._parameters() if ascents else []
        loss, found = there_and_back(moving, lambda: self._climb(closure, ascents, scaler))
        if scaler is not None and scaler.is_enabled():
            self._hand_over(scaler, ascents, lost=found is None)
        elif found is None:
            self._skip()
        else:
            self._conclude(found)
        return loss

    def _hand_over(self, scaler: GradScaler, ascents: int, *, lost: bool) -> None:
        """Let the scaler decide on the step, and call it: `_step_by_hand` does the rest.

        It knows this optimizer by its id, so it gets no other; but the ``step`` it calls is the
        bare one, because the hooks run with the ``step`` that the user has called.
        """
        if lost:
            self._poison()
        self._trail = Trail([])
        self._trail.taken = ascents
        own = vars(self)
        before = own.get("step")  # a scheduler or a trainer may have put one there
        own["step"] = self._step_by_hand
        try:
            scaler.step(self)
        finally:
            self._trail = None
            if before is None:
                del own["step"]
            else:
                own["step"] = before

    def _climb(
        self, closure: Closure, ascents: int, scaler: GradScaler | None
    ) -> tuple[Tensor, list[Part] | None]:
        """Return the loss before and the gradient after; nothing where the way up is not finite."""
        passes = self.passes
        randomness = Randomness(self._parameters()) if passes.same_randomness else None
        losses: list[Tensor] = []
        for i in range(ascents):
            with self._pass(i, last=False, randomness=randomness):
                loss, way = self._look_up(closure, scaler, i)
            losses.append(loss)
            if not (way.is_finite or passes.are_local):  # together, or not at all
                return losses[0], None
            self._move(way)
            del way  # the next evaluation needs the memory
        with self._pass(ascents, last=True, randomness=randomness):
            loss, found = self._gradient(closure)
        return [*losses, loss][0], found

    @contextmanager
    def _pass(self, number: int, *, last: bool, randomness: Randomness | None) -> Generator[None]:
        """Run one evaluation: the first at the weights themselves, the others away from them."""
        if number and randomness is not None:
            randomness.again()
        with self.passes.synchronized(last=last):
            if not number:
                yield
            else:
                with self.passes.uphill():
                    yield

    def _gradient(self, closure: Closure) -> tuple[Tensor, list[Part]]:
        """Return loss and gradient at the weights of the moment."""
        return self._evaluate(closure), self._gradients()

    def _look_up(
        self, closure: Closure, scaler: GradScaler | None, taken: int
    ) -> tuple[Tensor, Way]:
        """Return the loss at the weights of the moment, and the way up from there."""
        loss, parts = self._gradient(closure)
        return loss, self._way_up(parts, unit(scaler), taken)


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
