"""What every optimizer here shares: checked options and gradients, steps that can be skipped."""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from passband.errors import SkippedStepWarning
from passband.optim._lists import all_finite
from passband.optim._options import Group, check_parameters

Closure = Callable[[], Tensor]


class Part(NamedTuple):
    """The parameters of one group that have a gradient, and one vector for each."""

    group: Group
    params: list[Tensor]
    vectors: list[Tensor]


class Way(NamedTuple):
    """Where an ascent goes: ``factor`` times the vectors of all groups together.

    The factor is apart, so that gradients need not be copied to be scaled.
    """

    parts: list[Part]
    factor: float = 1.0
    known_finite: bool = False

    @property
    def is_finite(self) -> bool:
        """Whether every entry is."""
        return self.known_finite or (math.isfinite(self.factor) and finite(self.parts))


class CheckedOptimizer(Optimizer, ABC):
    """A ``torch`` optimizer that refuses what it cannot do before it moves a weight.

    Attributes:
        skipped: Number of steps that were skipped because a gradient was not finite.
    """

    skipped: int = 0
    takes_sparse: ClassVar[bool] = False
    """Whether gradients of embeddings may be sparse."""

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        if isinstance(params, nn.Module):
            raise TypeError(
                f"{type(self).__name__} takes parameters, not a model; write `model.parameters()`."
            )
        super().__init__(params, defaults)

    @abstractmethod
    def _check(self, group: Group, *, starting: bool) -> None:
        """Raise unless the options of ``group`` make sense; ``starting`` when it is new."""

    @override
    def add_param_group(self, param_group: Group) -> None:
        """Add a group; options it leaves out are those given to the optimizer."""
        super().add_param_group(param_group)
        try:
            check_parameters(self.param_groups[-1])
            self._check(self.param_groups[-1], starting=True)
        except BaseException:
            self.param_groups.pop()
            raise

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a checkpoint; options it does not know, being SGD's say, stay as they are.

        Raises:
            ValueError: It is no checkpoint of an optimizer, or one of other groups.
        """
        if not {"param_groups", "state"} <= state_dict.keys():
            raise ValueError(
                f"this is no `state_dict` of an optimizer: it has {len(state_dict)} entries, "
                "`param_groups` and `state` not among them. A model's goes to "
                "`model.load_state_dict`."
            )
        options = [dict(group) for group in self.param_groups]
        super().load_state_dict(state_dict)
        for group, before in zip(self.param_groups, options, strict=True):
            for name in before.keys() & self.defaults.keys():
                group.setdefault(name, before[name])

    @override
    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "skipped": self.skipped}

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"] if p.requires_grad]

    def _evaluate(self, closure: Callable[[], object]) -> Tensor:
        """Return the closure's loss, with this evaluation's gradient alone in ``p.grad``."""
        for p in self._parameters():
            p.grad = None
        torch.clear_autocast_cache()  # its copies of the weights may be of another point
        with torch.enable_grad():
            loss = closure()
        if not isinstance(loss, Tensor):
            raise TypeError(
                "the closure must return the loss as a tensor; "
                f"got {loss!r}. End it with `loss.backward(); return loss`."
            )
        if loss.numel() != 1:
            raise ValueError(
                f"the closure must return one number; got shape {tuple(loss.shape)}. "
                "Reduce the loss with `.mean()` or `.sum()`."
            )
        return loss.detach().clone()  # neither the graph nor a buffer that the closure reuses

    def _gradients(self) -> list[Part]:
        """Return what is in ``p.grad``, group by group, without what is frozen or has none."""
        parts: list[Part] = []
        for group in self.param_groups:
            params = [p for p in group["params"] if p.requires_grad and p.grad is not None]
            grads = [p.grad for p in params]
            known = {torch.strided, torch.sparse_coo} if self.takes_sparse else {torch.strided}
            if any(g.layout not in known for g in grads):
                raise TypeError(
                    f"{type(self).__name__} needs dense gradients; got a sparse one. "
                    "Build the embedding with `sparse=False`."
                )
            if params:
                parts.append(Part(group, params, grads))
        if not parts:
            raise ValueError(
                f"no parameter of this {type(self).__name__} has a gradient. Call "
                "`loss.backward()` on a loss that depends on its parameters."
            )
        return parts

    def _skip(self) -> None:
        self.skipped += 1
        warnings.warn(
            f"{type(self).__name__} skipped a step: a gradient was not finite. "
            f"Weights and momentum are as before ({self.skipped} skipped so far).",
            SkippedStepWarning,
            stacklevel=5,
        )


def check_closure(closure: object) -> None:
    """Refuse what cannot be called, such as a loss."""
    if not callable(closure):
        raise TypeError(
            "`step` takes a closure, a function that computes the loss, calls backward and "
            f"returns the loss; got a {type(closure).__name__}."
        )


def finite(parts: list[Part]) -> bool:
    """Whether every entry of every vector is finite."""
    return all_finite([v for part in parts for v in part.vectors])
