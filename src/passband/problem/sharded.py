"""Models whose parameters FSDP2 has spread over processes: gathered, and run without its hooks."""

from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from torch import Tensor, nn

_HOOKS = ("_forward_pre_hooks", "_forward_hooks")


def is_fully_sharded(model: nn.Module) -> bool:
    """Whether ``fully_shard`` was called on the model or a part of it."""
    return any(_made_by_fsdp2(module) for module in model.modules())


def whole(tensor: Tensor) -> Tensor:
    """Return all of a tensor that may be spread over processes; then all must call it."""
    return cast("Any", tensor).full_tensor() if hasattr(tensor, "full_tensor") else tensor


@contextmanager
def without_gathering(model: nn.Module) -> Generator[None]:
    """Let the model compute with the tensors that it is given, and not gather its own.

    FSDP2 frees the parameters that it has gathered, which a second derivative needs again.
    """
    kept: list[tuple[nn.Module, str, Any]] = []
    for module in model.modules() if is_fully_sharded(model) else ():
        for name in _HOOKS:
            hooks: OrderedDict[int, Any] = getattr(module, name)
            if any(map(_of_fsdp, hooks.values())):
                kept.append((module, name, hooks))
                others = ((key, hook) for key, hook in hooks.items() if not _of_fsdp(hook))
                setattr(module, name, OrderedDict(others))
    try:
        yield
    finally:
        for module, name, hooks in kept:
            setattr(module, name, hooks)


def _made_by_fsdp2(module: nn.Module) -> bool:
    return any(kind.__name__ == "FSDPModule" for kind in type(module).__mro__)


def _of_fsdp(hook: Any) -> bool:
    return ".fsdp." in str(getattr(hook, "__module__", ""))
