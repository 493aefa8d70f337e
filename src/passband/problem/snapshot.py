"""A model's tensors at one moment, and running the model with them."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from typing_extensions import override

from passband.problem.parameters import flatten, unflatten
from passband.problem.sharded import whole, without_gathering
from passband.problem.twice import Function, twice_differentiable

T = TypeVar("T")

_RECURRENT = ("_flat_weights", "_flat_weight_refs")


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What a model computes with: chosen parameters, everything else, and its modes.

    Attributes:
        theta: The chosen parameters as one flat vector, shape ``(n,)``.
        others: Parameters that are held fixed, by name.
        buffers: Buffers by name; every run of the model gets its own copy.
        modes: Training mode of every module.
    """

    theta: Tensor
    others: dict[str, Tensor]
    buffers: dict[str, Tensor]
    modes: dict[nn.Module, bool]


@dataclass(frozen=True, slots=True, eq=False)
class Runner:
    """Runs a model at any ``theta``, leaving the model as it was.

    The model computes with substitutes: its own parameters, buffers and gradients are
    neither read by autograd nor written. Attention, weight norm and convolutions are computed by
    kernels that can be differentiated twice.

    Attributes:
        model: The model.
        names: Names of the chosen parameters, in the order of ``theta``.
        shapes: Their shapes.
        replaced: Functions of torch that others stand in for.
    """

    model: nn.Module
    names: Sequence[str]
    shapes: Sequence[torch.Size]
    replaced: Mapping[Function, Function]

    def split(self, v: Tensor) -> dict[str, Tensor]:
        """Return a flat vector as tensors, by the names of their parameters."""
        return dict(zip(self.names, unflatten(v, self.shapes), strict=True))

    def theta(self) -> Tensor:
        """Copy the chosen parameters as they are now."""
        parameters = dict(self.model.named_parameters())
        with torch.inference_mode(mode=False):
            return flatten(whole(parameters[name]) for name in self.names)

    def snapshot(self) -> Snapshot:
        """Copy all tensors of the model as they are now."""
        names, parameters = set(self.names), dict(self.model.named_parameters())
        with torch.inference_mode(mode=False):
            return Snapshot(
                theta=self.theta(),
                others={
                    k: whole(p).detach().clone() for k, p in parameters.items() if k not in names
                },
                buffers={k: b.detach().clone() for k, b in self.model.named_buffers()},
                modes={module: module.training for module in self.model.modules()},
            )

    def run(self, snapshot: Snapshot, theta: Tensor, task: Callable[[nn.Module], T]) -> T:
        """Return ``task(model)`` while the model's tensors are ``theta`` and the snapshot's."""
        with (
            torch.inference_mode(mode=False),
            torch.enable_grad(),
            twice_differentiable(self.replaced),
            _modes(snapshot.modes),
            _recurrent_weights(self.model),
            without_gathering(self.model),
        ):
            buffers = {name: b.clone() for name, b in snapshot.buffers.items()}
            inside = {**self.split(theta), **snapshot.others, **buffers}
            inside = {f"model.{name}": tensor for name, tensor in inside.items()}
            return functional_call(_Holder(self.model), inside, (task,))


class _Holder(nn.Module):
    """Lets a task see the model while its tensors are exchanged."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    @override
    def forward(self, task: Callable[[nn.Module], Any]) -> Any:
        return task(self.model)


@contextmanager
def _modes(modes: dict[nn.Module, bool]) -> Generator[None]:
    moved = {m: m.training for m, training in modes.items() if m.training != training}
    try:
        for module in moved:
            module.training = modes[module]
        yield
    finally:
        for module, training in moved.items():
            module.training = training


@contextmanager
def _recurrent_weights(model: nn.Module) -> Generator[None]:
    """Put back the lists in which recurrent layers keep their weights a second time."""
    layers = [module for module in model.modules() if isinstance(module, nn.RNNBase)]
    kept = [{name: list(getattr(layer, name, ())) for name in _RECURRENT} for layer in layers]
    try:
        yield
    finally:
        for layer, lists in zip(layers, kept, strict=True):
            for name, values in lists.items():
                setattr(layer, name, values)
