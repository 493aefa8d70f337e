"""Any nest of tensors as one vector: which tensor is where, and the way back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from passband._shapes import Float
from passband.errors import NonFiniteError

_CONSTANTS = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)


@final
@dataclass(frozen=True, slots=True)
class Leaf:
    """Where one tensor of a state is in the vector.

    Attributes:
        name: Its keys, indices and attributes, joined by dots: ``"generator.0.weight"``.
        part: The first of them: the player, or the buffer. ``"state"`` for a single tensor.
        shape: Its shape.
        start: First entry in the vector.
        stop: One past the last.
    """

    name: str
    part: str
    shape: torch.Size
    start: int
    stop: int


@final
class Layout:
    """How a state, any pytree of tensors, is laid out as a vector.

    Floating-point tensors move; whole numbers, strings and None are held as they are.

    Args:
        state: The nest.
        name: What it is called in errors.
    """

    leaves: tuple[Leaf, ...]
    size: int
    dtype: torch.dtype
    device: torch.device

    def __init__(self, state: Any, *, name: str = "state") -> None:
        entries, self._spec = pytree.tree_flatten_with_path(state)
        self._constants: list[Any] = [None if _moves(value) else value for _, value in entries]
        self._paths = [path for path, value in entries if _moves(value)]
        self._moving = [i for i, (_, value) in enumerate(entries) if _moves(value)]
        tensors = [value for _, value in entries if _moves(value)]
        for path, value in entries:
            _check_kind(value, f"`{name}` at {_name(path)}")
        _check_alike(tensors, self._paths, name)
        leaves, start = list[Leaf](), 0
        for path, tensor in zip(self._paths, tensors, strict=True):
            part = _key(path[0]) if path else "state"
            stop = start + tensor.numel()
            leaves.append(Leaf(_name(path), part, tensor.shape, start, stop))
            start = stop
        self.leaves = tuple(leaves)
        self.size, self.dtype, self.device = start, tensors[0].dtype, tensors[0].device
        if not self.size:
            raise ValueError(f"`{name}` has tensors of size 0 only: there is nothing to multiply.")

    def tensors(self, state: Any, *, name: str) -> list[Tensor]:
        """Return the moving tensors of a nest that must be like this one, in this order."""
        entries = dict(pytree.tree_flatten_with_path(state)[0])
        missing = [_name(path) for path in self._paths if path not in entries]
        known = set(self._paths)
        extra = [_name(p) for p, value in entries.items() if p not in known and _moves(value)]
        if missing or extra:
            raise ValueError(
                f"{name} must have the tensors of `state`; it lacks {missing or 'none'} and has "
                f"{extra or 'none'} beyond. Return every entry, also those that stay as they are."
            )
        tensors: list[Tensor] = []
        for path, leaf in zip(self._paths, self.leaves, strict=True):
            tensor = entries[path]
            kind = _described(tensor)
            wanted = f"{self.dtype} of shape {tuple(leaf.shape)} on {self.device}"
            if kind != wanted:
                raise ValueError(
                    f"{name} must be {wanted} at {leaf.name!r}, as `state`; got {kind}."
                )
            tensors.append(tensor)
        return tensors

    def build(self, tensors: Sequence[Tensor]) -> Any:
        """Return the nest with these tensors."""
        entries = list(self._constants)
        for i, tensor in zip(self._moving, tensors, strict=True):
            entries[i] = tensor
        return pytree.tree_unflatten(entries, self._spec)

    def split(self, v: Float[Tensor, " n"]) -> list[Tensor]:
        """Return views of a vector, in the shapes of the tensors."""
        return [v[leaf.start : leaf.stop].view(leaf.shape) for leaf in self.leaves]

    def join(self, tensors: Sequence[Tensor]) -> Float[Tensor, " n"]:
        """Return tensors as one new vector."""
        return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])

    @property
    def parts(self) -> Mapping[str, slice]:
        """Where the entries of every part are, in order."""
        parts: dict[str, slice] = {}
        for leaf in self.leaves:
            start = parts[leaf.part].start if leaf.part in parts else leaf.start
            parts[leaf.part] = slice(start, leaf.stop)
        return parts

    def check_finite(self, tensors: Sequence[Tensor], *, name: str, advice: str) -> None:
        """Raise `NonFiniteError` that names the first tensor which is not finite."""
        for leaf, tensor in zip(self.leaves, tensors, strict=True):
            if not bool(torch.isfinite(tensor).all()):
                raise NonFiniteError(f"{name} is not finite at {leaf.name!r}. {advice}")


def _moves(value: Any) -> bool:
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())


def _check_kind(value: Any, where: str) -> None:
    if isinstance(value, (Tensor, *_CONSTANTS)):
        return
    advice = "Use `torch.as_tensor`."
    if callable(value) and not isinstance(value, torch.nn.Module):
        advice = "The order is UpdateJacobian(step, state)."
    if isinstance(value, torch.nn.Module):
        advice = "Use `dict(model.named_parameters())` and `torch.func.functional_call`."
    elif isinstance(value, torch.optim.Optimizer):
        advice = "Put its buffers into the state as tensors, and write its update in `step`."
    elif hasattr(value, "__dataclass_fields__"):
        advice = "Register it with `torch.utils._pytree.register_dataclass`, or use a dict."
    raise TypeError(f"{where} must be a tensor; got {type(value).__name__}. {advice}")


def _check_alike(tensors: Sequence[Tensor], paths: Sequence[Any], name: str) -> None:
    if not tensors:
        raise ValueError(f"`{name}` must have at least one tensor of floating-point numbers.")
    seen: dict[int, str] = {}
    first = tensors[0]
    for path, tensor in zip(paths, tensors, strict=True):
        where = _name(path)
        if tensor.dtype not in {torch.float32, torch.float64}:
            raise ValueError(
                f"`{name}` must be float32 or float64 throughout; got {tensor.dtype} at {where!r}. "
                "Convert it, and split complex numbers by `torch.view_as_real`."
            )
        if (tensor.dtype, tensor.device) != (first.dtype, first.device):
            raise ValueError(
                f"`{name}` must have one dtype and device; got {first.dtype} on {first.device} at "
                f"{_name(paths[0])!r}, {tensor.dtype} on {tensor.device} at {where!r}."
            )
        if tensor.layout != torch.strided:
            raise ValueError(f"`{name}` must be dense; got {tensor.layout} at {where!r}.")
        if id(tensor) in seen:
            raise ValueError(
                f"`{name}` has one tensor twice, at {seen[id(tensor)]!r} and {where!r}. Keep tied "
                "weights once, and use them twice in `step`."
            )
        seen[id(tensor)] = where


def _described(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{value.dtype} of shape {tuple(value.shape)} on {value.device}"


def _name(path: Sequence[Any]) -> str:
    return ".".join(map(_key, path)) or "state"


def _key(entry: Any) -> str:
    for attribute in ("key", "idx", "name"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)
