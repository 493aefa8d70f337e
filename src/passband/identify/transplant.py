"""A copy of an optimizer that holds one tensor of ours instead of a model's parameters."""

import copy
import inspect
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

_LONGEST_CYCLE = 10
_HOOKS = {"_optimizer_step_pre_hooks", "_optimizer_step_post_hooks"}


def transplanted(optimizer: Optimizer, group: int, x: nn.Parameter) -> Optimizer:
    """Return a copy without state, or at rest if its class makes its state when it is made."""
    if any(source.state for source in optimizers_of(optimizer)):
        trial = _holding(optimizer, group, nn.Parameter(torch.zeros_like(x)))
        (p,) = trial.param_groups[0]["params"]
        p.grad = torch.zeros_like(p)
        try:
            for _ in range(_LONGEST_CYCLE):
                trial.step(lambda: 0.0)
        except Exception:
            return _holding(optimizer, group, x, at_rest=True)
    return _holding(optimizer, group, x)


def _at_rest(state: dict[str, Any], p: Tensor, x: Tensor) -> dict[str, Any]:
    """Return a state with zeros for all that is as large as the parameter."""
    return {
        key: torch.zeros_like(x)
        if isinstance(value, Tensor) and value.shape == p.shape and value.numel() == p.numel()
        else copy.deepcopy(value)
        for key, value in state.items()
    }


def _holding(
    optimizer: Optimizer, group: int, x: nn.Parameter, *, at_rest: bool = False
) -> Optimizer:
    """Return a copy of an optimizer that holds ``x`` alone, in one group.

    Without state, or with that of the group's first parameter at rest.
    """
    sources = optimizers_of(optimizer)
    memo: dict[int, Any] = {id(source.state): defaultdict(dict) for source in sources}
    for source in sources:
        memo |= {id(p): x for options in source.param_groups for p in options["params"]}
    twins = optimizers_of(copied(optimizer, memo))
    emptied: set[int] = set()
    for twin in twins:
        if id(twin.param_groups) not in emptied:
            twin.param_groups[:] = [twin.param_groups[group]]
            emptied.add(id(twin.param_groups))
        twin.param_groups[0]["params"] = [x]
        for value in vars(twin).values():
            if isinstance(value, dict) and x in value:  # a state of the optimizer's own
                value.clear()
            if isinstance(value, list) and value and all(item is x for item in value):
                value[:] = [x]  # its own list of the parameters
    if at_rest:
        for source, twin in zip(sources, twins, strict=True):
            p = source.param_groups[group]["params"][0]
            twin.state[x] = _at_rest(source.state.get(p, {}), p, x)
    return twins[0]


def copied(optimizer: Optimizer, memo: dict[int, Any]) -> Optimizer:
    """Return a copy of an optimizer, and of those it holds, with every attribute.

    ``copy.deepcopy`` would lose each that `Optimizer` does not pickle, and keep a scheduler's
    wrapper of ``step``, which steps the original. Hooks stay with the original: they would tell of
    steps that training never takes.

    Args:
        optimizer: The original; not touched.
        memo: As in ``copy.deepcopy``: what stands for what in the copy. Added to.
    """
    sources = optimizers_of(optimizer)
    twins = [object.__new__(type(source)) for source in sources]
    memo |= {id(source): twin for source, twin in zip(sources, twins, strict=True)}
    for source, twin in zip(sources, twins, strict=True):
        for name, value in vars(source).items():
            if name in _HOOKS:
                setattr(twin, name, OrderedDict())
            elif name != "step":
                setattr(twin, name, copy.deepcopy(value, memo))
    return twins[0]


def optimizers_of(optimizer: Optimizer) -> list[Optimizer]:
    """Return an optimizer and those it holds as attributes, outermost first."""
    found: list[Optimizer] = []

    def visit(part: Any) -> Iterator[Any]:
        if isinstance(part, Optimizer) and not any(part is seen for seen in found):
            found.append(part)
            for value in vars(part).values():
                yield from visit(value)

    list(visit(optimizer))
    return found


class _CalledError(Exception):
    """The closure was called."""


def calls_closure(optimizer: Optimizer) -> bool:
    """Whether a step evaluates the closure that it takes; some ignore it. The step is spoiled."""

    def closure() -> Tensor:
        raise _CalledError

    if "closure" not in inspect.signature(optimizer.step).parameters:
        return False
    try:
        optimizer.step(closure)  # pyright: ignore[reportCallIssue, reportArgumentType]
    except _CalledError:
        return True
    except Exception:  # whatever it lacks, the real step will say
        return True
    return False
