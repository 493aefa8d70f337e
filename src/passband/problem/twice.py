"""Kernels whose second derivative is missing, wrong or slow, replaced while a graph is built."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from passband.errors import PassbandError
from passband.problem.convolution import convolution, has_convolution

Function = Callable[..., Any]


@contextmanager
def twice_differentiable(replaced: Mapping[Function, Function]) -> Generator[None]:
    """Use kernels that can be differentiated twice, and others for those that are ``replaced``.

    Fused attention has no second derivative on the CPU (torch #116350).
    """
    with sdpa_kernel(SDPBackend.MATH):
        if not replaced:
            yield
            return
        with _Replaced(replaced):
            yield


def replacements(model: nn.Module) -> dict[Function, Function]:
    """Return which functions of torch are to be replaced for this model, by what.

    The second derivative of fused weight norm is wrong without a word: of six entries of a 2×3
    weight some are off by 100 % in 2.13. That of a convolution is slow.
    """
    found: dict[Function, Function] = {}
    if has_convolution(model):
        found |= dict.fromkeys((torch.conv1d, torch.conv2d, torch.conv3d), convolution)
    fused = getattr(torch, "_weight_norm", None)
    if fused is not None and _has_weight_norm(model):
        found[fused] = _weight_norm
    return found


def _has_weight_norm(model: nn.Module) -> bool:
    """Return whether a layer of the model is weight-normalized, in the new way or the old."""
    for module in model.modules():
        hooks = module._forward_pre_hooks.values()  # noqa: SLF001
        if "weightnorm" in {_plain(module), *map(_plain, hooks)}:
            return True
    return False


def _plain(thing: object) -> str:
    return type(thing).__name__.lower().replace("_", "")


@final
class _Replaced(TorchFunctionMode):
    def __init__(self, functions: Mapping[Function, Function]) -> None:
        super().__init__()
        self._functions = functions

    @override
    def __torch_function__(
        self,
        func: Function,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return self._functions.get(func, func)(*args, **(kwargs or {}))


def _weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """Return ``g v / ‖v‖`` by its formula."""
    others = [d for d in range(v.ndim) if d != dim % v.ndim] if dim != -1 else None
    return v * (g / torch.linalg.vector_norm(v, dim=others, keepdim=others is not None))


def check_connected(gradient: Tensor) -> None:
    """Refuse a gradient whose graph was cut by a function that can be differentiated only once.

    Autograd would take its second derivative for zero.
    """
    seen: set[Any] = set()
    todo: list[Any] = [gradient.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name() == "torch::autograd::Error":
            raise PassbandError(
                "an operation of the model or loss has a first derivative only (its backward is "
                "marked `once_differentiable`). Replace it by one that can be differentiated twice."
            )
        todo += [parent for parent, _ in node.next_functions]
