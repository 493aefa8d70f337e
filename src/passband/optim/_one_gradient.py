"""The engine of one gradient a step: checked before, skipped where it is not finite."""

from abc import abstractmethod
from typing import final

import torch
from torch import Tensor
from typing_extensions import override

from passband.optim._checked import CheckedOptimizer, Closure, check_closure, finite
from passband.optim._lists import add
from passband.optim._options import Group


class OneGradient(CheckedOptimizer):
    """An optimizer that steps with the gradient at the weights; a subclass says how (`_update`).

    Coupled weight decay is added to the gradient here, for groups with a ``weight_decay``.

    Example:
        Heavy ball, whole. The checks are those of ``_options``, the arithmetic of lists that of
        ``_lists``; a buffer comes from `_recall`.

        >>> from passband.optim._lists import add_, scale_
        >>> from passband.optim._options import check_lr, check_momentum, check_not_negative
        >>> class HeavyBall(OneGradient):
        ...     def __init__(self, params, lr, *, momentum=0.9, weight_decay=0.0, foreach=None):
        ...         options = dict(lr=lr, momentum=momentum, weight_decay=weight_decay)
        ...         super().__init__(params, options | dict(foreach=foreach))
        ...
        ...     def _check(self, group, *, starting):
        ...         check_lr(group, starting=starting)
        ...         check_momentum(group)
        ...         check_not_negative(group, "weight_decay")
        ...
        ...     def _update(self, group, params, grads):
        ...         m = self._recall("buffer", params)
        ...         scale_(m, group["momentum"], foreach=group["foreach"])
        ...         add_(m, grads, foreach=group["foreach"])
        ...         add_(params, m, alpha=-group["lr"], foreach=group["foreach"])
        >>> weights = torch.ones(2, requires_grad=True)
        >>> weights.grad = torch.ones(2)
        >>> HeavyBall([weights], lr=0.5).step()
        >>> weights
        tensor([0.5000, 0.5000], requires_grad=True)
    """

    @final
    @override
    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Tensor | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take one step with the gradients in ``p.grad``, or those of the closure.

        Args:
            closure: Optional. Computes the loss, calls ``loss.backward()`` and returns the loss;
                it is called once, with gradients enabled and cleared.

        Returns:
            The closure's loss, or nothing without a closure.

        Raises:
            TypeError: The closure returns no tensor, or a gradient is sparse.
            ValueError: The loss is not one number, no parameter has a gradient, or an option of a
                group was set to something senseless. The weights are those before the step.
        """
        for group in self.param_groups:
            self._check(group, starting=False)
        loss = None
        if closure is not None:
            check_closure(closure)
            loss = self._evaluate(closure)
        parts = self._gradients()
        if not finite(parts):
            self._skip()
            return loss
        for group, params, grads in parts:
            decay, foreach = group.get("weight_decay", 0), group.get("foreach")
            total = add(grads, params, alpha=decay, foreach=foreach) if decay else grads
            self._update(group, params, total)
        return loss

    @abstractmethod
    def _update(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> None:
        """Move the weights of one group, and remember in ``self.state``."""

    @final
    def _recall(
        self, name: str, params: list[Tensor], start: list[Tensor] | None = None
    ) -> list[Tensor]:
        """Return what is remembered for ``params``; at first that is ``start``, or zeros."""
        for i, p in enumerate(params):
            if self.state[p].get(name) is None:
                self.state[p][name] = torch.zeros_like(p) if start is None else start[i].clone()
        return [self.state[p][name] for p in params]
