"""SGD with a memory: the weights are the points where gradients are taken.

These methods move the gradient point ``y`` away from the base point ``x`` by something that they
remember, so a lower edge costs memory instead of gradients. Their parameters are ``y``, as in
torch's Nesterov; `RememberingSGD.at_base_point` shows ``x``.
"""

from abc import abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from typing import ClassVar, final

import torch
from torch import Tensor
from typing_extensions import override

from passband.optim._lists import add_, copy_, scale_
from passband.optim._one_gradient import OneGradient
from passband.optim._options import (
    Group,
    check_lr,
    check_momentum,
    check_not_negative,
    number,
)


class RememberingSGD(OneGradient):
    """SGD whose gradient point is displaced by what it remembers."""

    _option: ClassVar[str]
    """The option that lowers the edge, in place of which ``edge`` may be given."""

    _memory: ClassVar[tuple[str, ...]]
    """What the offset of the gradient point is made of."""

    @final
    @contextmanager
    def at_base_point(self) -> Generator[None]:
        """Show the base point inside the block: what converges smoothly, and what to evaluate.

        The gradient points come back bit for bit, whatever happens inside; steps belong outside.
        """
        offsets: dict[Tensor, Tensor] = {}
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    state = self.state.get(p, {})
                    if all(name in state for name in self._memory):
                        offsets[p] = self._offset(group, state)
        params = list(offsets)
        saved = [p.detach().clone() for p in params]
        try:
            with torch.no_grad():
                for p, offset in offsets.items():
                    p.add_(offset)
            torch.clear_autocast_cache()
            yield
        finally:
            with torch.no_grad():
                copy_(params, saved)
            torch.clear_autocast_cache()

    @override
    def add_param_group(self, param_group: Group) -> None:
        """Add a group; options it leaves out are those given to the optimizer."""
        own = any(param_group.get(name) is not None for name in (self._option, "edge"))
        source = param_group if own else self.defaults
        chosen = {name: source.get(name) for name in (self._option, "edge")}
        if sum(value is not None for value in chosen.values()) != 1:
            given = "both" if all(value is not None for value in chosen.values()) else "neither"
            raise ValueError(
                f"{type(self).__name__} needs exactly one of `{self._option}` and `edge`, the "
                f"curvature up to which it is to be stable; got {given}. Without knowing more, "
                "give half the edge of SGD: edge=(1 + momentum) / lr."
            )
        if chosen["edge"] is not None:  # settled here, once, with the options of this moment
            options = {**self.defaults, **param_group, **chosen}
            _check_sgd(options, starting=True)
            chosen[self._option] = self._for_edge(options)
        super().add_param_group({**param_group, **chosen, "edge": None})
        self.param_groups[-1].pop("edge")

    @override
    def _check(self, group: Group, *, starting: bool) -> None:
        _check_sgd(group, starting=starting)
        if group.get("edge") is not None:
            raise ValueError(
                f"`edge` is settled when a group is added; got {group['edge']!r} later. Set "
                f"`{self._option}`."
            )
        check_not_negative(group, self._option)

    @abstractmethod
    def _offset(self, group: Group, state: dict[str, Tensor]) -> Tensor:
        """Return ``x − p`` for a parameter that remembers ``state``."""

    @abstractmethod
    def _for_edge(self, group: Group) -> float:
        """Return the value of the option that gives ``group["edge"]``."""

    def _momentum(self, group: Group, params: list[Tensor], grads: list[Tensor]) -> list[Tensor]:
        """Return ``m ← βm + g``, the gradients themselves without momentum."""
        if not group["momentum"]:
            return grads
        buffers = self._recall("momentum_buffer", params)
        scale_(buffers, group["momentum"], foreach=group["foreach"])
        add_(buffers, grads, foreach=group["foreach"])
        return buffers


def _check_sgd(group: Group, *, starting: bool) -> None:
    check_lr(group, starting=starting)
    check_momentum(group)
    check_not_negative(group, "weight_decay")


def slope_for_edge(group: Group) -> float:
    """Return ``1/(E + ω) − 1/C``: what brings heavy ball's ``C = 2 (1 + β) / α`` down to ``E + ω``.

    Weight decay ω adds to every curvature, so the edge of the loss is lower by as much.
    """
    edge, decay = number(group, "edge"), group["weight_decay"]
    classical = 2 * (1 + group["momentum"]) / float(group["lr"])
    if not (edge > 0 and edge + decay < classical):
        raise ValueError(
            "`edge` must be positive and below 2 (1 + momentum) / lr - weight_decay = "
            f"{classical - decay:g}, the edge of SGD, because memory only lowers it; got {edge!r}. "
            "Lower `lr` for a higher edge."
        )
    return 1 / (edge + decay) - 1 / classical
