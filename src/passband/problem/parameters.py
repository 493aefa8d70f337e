"""Choosing parameters, and one flat vector for all of them."""

import difflib
import fnmatch
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from passband.problem.sharded import is_fully_sharded

Choice = (
    None | str | nn.Parameter | Iterable[str | nn.Parameter] | Callable[[str, nn.Parameter], bool]
)


def choose(model: nn.Module, parameters: Choice) -> dict[str, nn.Parameter]:
    """Return the chosen parameters by name, in the model's order, tied ones once.

    Without a choice these are the trainable ones. A choice is taken at its word: it may
    include frozen parameters, since nothing here writes to them.
    """
    known = dict(model.named_parameters())
    if parameters is None:
        chosen = {name: p for name, p in known.items() if p.requires_grad}
        if not chosen:
            raise ValueError(
                f"the model must have a trainable parameter; all {len(known)} are frozen or there "
                "are none. Call `requires_grad_()`, or choose some with `parameters=`."
            )
    elif callable(parameters) and not isinstance(parameters, nn.Parameter):
        chosen = {name: p for name, p in known.items() if parameters(name, p)}
    else:
        single = isinstance(parameters, str | nn.Parameter)
        wanted: set[int] = set()
        for item in [parameters] if single else parameters:
            wanted |= _named(model, item) if isinstance(item, str) else _member(known, item)
        chosen = {name: p for name, p in known.items() if id(p) in wanted}
    if not chosen:
        if not any(p.requires_grad for p in known.values()):
            why = f"all {len(known)} of the model are frozen. Call `requires_grad_()`."
        else:
            why = (
                "where they are an optimizer's, it holds none of the model's trainable parameters. "
                "Make it from `model.parameters()` of this very model, after moving it."
            )
        raise ValueError(f"`parameters` must choose at least one parameter; it chose none: {why}")
    _check(chosen, sharded=is_fully_sharded(model))
    return chosen


def _named(model: nn.Module, pattern: str) -> set[int]:
    names = dict(model.named_parameters(remove_duplicate=False))  # a tied one has several
    matches = {id(p) for name, p in names.items() if fnmatch.fnmatchcase(name, pattern)}
    if not matches:
        close = difflib.get_close_matches(pattern, names, n=3) or list(names)[:8]
        raise ValueError(f"no parameter is called {pattern!r}; did you mean one of {close}?")
    return matches


def _member(known: dict[str, nn.Parameter], item: Any) -> set[int]:
    if not isinstance(item, nn.Parameter):
        raise TypeError(
            "`parameters` must be names, patterns such as 'layers.*', parameters, or a function "
            f"of (name, parameter); got an item of type {type(item).__name__}."
        )
    if not any(item is p for p in known.values()):
        raise ValueError(
            f"`parameters` must belong to the model; one of shape {tuple(item.shape)} does not. "
            "Was the model copied or moved after the list was made?"
        )
    return {id(item)}


def _check(chosen: dict[str, nn.Parameter], *, sharded: bool) -> None:
    for name, p in chosen.items():
        if isinstance(p, nn.parameter.UninitializedParameter):
            raise ValueError(f"parameter {name!r} has no shape yet. Run the lazy model once first.")
        if p.device.type == "meta":
            raise ValueError(
                f"parameter {name!r} is on the meta device and has no numbers. Use "
                "`model.to_empty(device=...)` and load weights."
            )
        if hasattr(p, "to_local") and not sharded:
            raise ValueError(
                f"parameter {name!r} is spread over processes, but not by `fully_shard`, whose "
                "parameters can be gathered. Measure a copy that is whole, and share out the data "
                "with `passband.Distributed`."
            )
        if p.dtype in {torch.float16, torch.bfloat16}:
            raise ValueError(
                f"parameters must be float32 or float64; {name!r} is {p.dtype}. Two or three "
                "digits are too few for second derivatives: use `copy.deepcopy(model).float()`."
            )
        if p.dtype not in {torch.float32, torch.float64}:
            raise ValueError(
                f"parameters must be float32 or float64; {name!r} is {p.dtype}. "
                "Leave it out with `parameters=`."
            )
    for what in ("dtype", "device"):
        kinds = {str(getattr(p, what)) for p in chosen.values()}
        if len(kinds) > 1:
            raise ValueError(f"parameters must share one {what}; got {sorted(kinds)}.")


def flatten(tensors: Iterable[Tensor]) -> Tensor:
    """Return a new flat vector of all the tensors, one after the other."""
    return torch.cat([t.detach().reshape(-1) for t in tensors])


def unflatten(theta: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """Return views of a flat vector in these shapes."""
    parts = theta.split([shape.numel() for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
