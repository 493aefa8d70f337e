"""The options of parameter groups: what each must be, said once.

Every check is written so that NaN fails it, and runs again at each step, because schedulers and
users write into the groups too.
"""

import math
from numbers import Real
from typing import Any, Literal

from torch import Tensor

Decay = Literal["coupled", "loss", "decoupled"]
Group = dict[str, Any]


def check_parameters(group: Group) -> None:
    """Refuse what these optimizers cannot move: numbers that are not real, and doubles."""
    params: list[Tensor] = group["params"]
    if len(set(params)) != len(params):
        raise ValueError("every parameter may appear once in a group; got one twice.")
    for p in params:
        if not p.dtype.is_floating_point:
            raise TypeError(
                f"parameters must be real floating-point tensors; got one in {p.dtype}. "
                "Leave it out, or train its real and imaginary parts."
            )


def check_lr(group: Group, *, starting: bool) -> None:
    """A learning rate starts positive; a scheduler may take it to zero and back."""
    lr = number(group, "lr")
    if starting and not lr > 0:
        raise ValueError(f"`lr` must be positive; got {group['lr']!r}.")
    if not lr >= 0:
        raise ValueError(f"`lr` must not be negative; a scheduler set it to {group['lr']!r}.")


def check_momentum(group: Group) -> None:
    """Below one: at one the buffer never forgets."""
    if not 0 <= number(group, "momentum") < 1:
        raise ValueError(f"`momentum` must lie in [0, 1); got {group['momentum']!r}.")


def check_not_negative(group: Group, name: str) -> None:
    """Finite, and zero or more."""
    if not number(group, name) >= 0:
        raise ValueError(f"`{name}` must not be negative; got {group[name]!r}.")


def check_sgd(group: Group, *, starting: bool) -> None:
    """The options of the base step, in the conventions of ``torch.optim.SGD``."""
    check_lr(group, starting=starting)
    check_momentum(group)
    check_not_negative(group, "weight_decay")
    if group["nesterov"] and not group["momentum"]:
        raise ValueError("`nesterov` needs a positive `momentum`, as in torch.")
    if group["decay"] not in {"coupled", "loss", "decoupled"}:
        raise ValueError(
            f"`decay` must be 'coupled', 'loss' or 'decoupled'; got {group['decay']!r}."
        )


def check_steps(group: Group) -> None:
    """A whole number of ascent steps, one or more."""
    steps = group["steps"]
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"`steps` must be a whole number, 1 or more; got {steps!r}.")


def number(group: Group, name: str) -> float:
    """Return a finite real number, from Python, NumPy or a tensor of one element."""
    value = group[name]
    scalar = isinstance(value, Tensor) and value.numel() == 1
    if isinstance(value, bool) or not (scalar or isinstance(value, Real)):
        raise TypeError(f"`{name}` must be a real number; got {value!r}.")
    if not math.isfinite(result := float(value)):
        raise ValueError(f"`{name}` must be finite; got {value!r}.")
    return result
