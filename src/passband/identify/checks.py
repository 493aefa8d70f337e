"""What is asked about: an optimizer instance, and one of its parameter groups."""

import operator

from torch.optim import Optimizer


def check_optimizer(caller: str, optimizer: object) -> None:
    """Raise unless an optimizer instance came."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"`{caller}` needs a torch optimizer instance; got {_named(optimizer)}.")


def check_group(optimizer: Optimizer, group: int) -> None:
    """Raise unless the optimizer has such a parameter group."""
    groups = len(optimizer.param_groups)
    try:
        index = operator.index(group)
    except TypeError:
        raise TypeError(
            f"`group` must be the index of a parameter group, a whole number; got {group!r}."
        ) from None
    if not -groups <= index < groups:
        raise IndexError(f"the optimizer has {groups} parameter groups; got group={group}.")


def _named(thing: object) -> str:
    return f"the class {thing.__name__}" if isinstance(thing, type) else f"a {type(thing).__name__}"
