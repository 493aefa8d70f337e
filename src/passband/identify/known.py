"""Optimizers whose filter is known in closed form, by their class."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from passband import filters, optim
from passband.errors import FilterWarning, NotAFilterError
from passband.filters import Filter
from passband.identify.checks import check_group, check_optimizer
from passband.identify.measurement import measure
from passband.problem.wrapped import unwrapped

Group = Mapping[str, Any]
Read = Callable[[Group, float | None], Filter]


def filter_of(
    optimizer: torch.optim.Optimizer,
    group: int | None = None,
    *,
    gradient_norm: float | None = None,
) -> Filter:
    """Return the filter of one parameter group of an optimizer, as it is now.

    Known classes have closed forms. Any other, a subclass of a known one too, is measured by
    stepping a copy of it on scalar quadratics, which takes about a second; see `measure`. Options
    are read from the group, so a learning rate that a scheduler has changed counts. The optimizer
    itself takes no step.

    Args:
        optimizer: A torch optimizer instance.
        group: Index into ``optimizer.param_groups``; the first, if not given.
        gradient_norm: ``‖∇f‖`` at which normalized SAM is frozen; ignored by all others.

    Raises:
        NotAFilterError: If the optimizer has no linear filter, maximizes, or does not move; says
            why.
        TypeError: If it is no optimizer instance, or ``group`` no whole number.
        IndexError: If there is no such group.

    Warns:
        FilterWarning: If no group is given and they differ: the first speaks for itself alone.

    Example:
        >>> weights = torch.zeros(2, requires_grad=True)
        >>> round(filter_of(torch.optim.SGD([weights], lr=0.1)).edge, 9)
        20.0
    """
    optimizer = unwrapped(optimizer)
    check_optimizer("filter_of", optimizer)
    groups = optimizer.param_groups
    check_group(optimizer, group or 0)
    found = _read(optimizer, group or 0, gradient_norm)
    differing = _differing(groups) if group is None else []
    weighed = found.curvature == "preconditioned" and differing == ["lr"]  # by the operator
    if differing and not weighed:
        warnings.warn(
            f"the {len(groups)} parameter groups differ in {', '.join(differing)}; this is the "
            "filter of the first alone. `inspect` judges all together; `group=` names one.",
            FilterWarning,
            stacklevel=2,
        )
    return found


def _read(optimizer: torch.optim.Optimizer, group: int, gradient_norm: float | None) -> Filter:
    """Return the filter of a group that is there."""
    name = type(optimizer).__name__
    known, options = _known(optimizer), dict(optimizer.param_groups[group])
    if options.get("adaptive") or getattr(optimizer, "adaptive", False):
        raise NotAFilterError(
            f"the ascent of {name} is measured in units of each weight (ASAM), so its filter "
            "depends on where the weights are. `filters.ASAM(scale=...)` has it for frozen scales."
        )
    if options.get("maximize"):
        raise NotAFilterError(
            f"{name} maximizes: it admits the negated curvatures. Negate the loss instead."
        )
    if known is None:
        if not isinstance(optimizer, optim.SharpnessAware):
            return measure(optimizer, group)
        base = optimizer.base
        apart = _known(base) and filter_of(base, group).curvature == "preconditioned"
        if apart or (found := measure(optimizer, group)).curvature == "preconditioned":
            raise NotAFilterError(
                f"{name} over {type(base).__name__} has no filter: it climbs in plain curvature "
                "and steps in preconditioned, and these have no modes in common. Take its `base`, "
                "for the step alone."
            )
        return found
    if isinstance(optimizer, optim.SharpnessAware):
        options |= {"rho": options.get("ascent_rho", optimizer.rho), "steps": optimizer.steps}
        options |= {"decay": "coupled"}
    options["lr"] = _number(options["lr"])
    if not (options["lr"] > 0 and math.isfinite(options["lr"])):
        raise NotAFilterError(
            f"group {group} of {name} has lr={options['lr']!r}: it does not move now, so every "
            "curvature is admissible. Set the group's `lr` to the one that is to be judged, or "
            "give a filter."
        )
    return known(options, gradient_norm)


def _differing(groups: Sequence[Group]) -> list[str]:
    """Return the options in which groups differ; names and weights are none."""
    first, *others = groups
    options = [key for key in first if key not in {"params", "param_names", "name"}]
    return [
        key
        for key in options
        if any(not _alike(first[key], group.get(key, first[key])) for group in others)
    ]


def _alike(a: Any, b: Any) -> bool:
    """Return whether two options are one, in single precision: learning rates may be tensors."""
    numbers = isinstance(a, torch.Tensor | float) and isinstance(b, torch.Tensor | float | int)
    return math.isclose(_number(a), _number(b), rel_tol=1e-6) if numbers else bool(a == b)


def _number(value: Any) -> float:
    """Return an option as a float; torch allows a tensor for the learning rate."""
    return float(value.item() if isinstance(value, torch.Tensor) else value)


def _sgd(group: Group, _: float | None) -> Filter:
    momentum = _number(group["momentum"])
    return filters.SGD(
        lr=group["lr"],
        momentum=momentum,
        dampening=_number(group["dampening"]) if momentum else 0.0,
        nesterov=bool(group["nesterov"]),
        weight_decay=_number(group["weight_decay"]),
    )


def _shared(group: Group) -> dict[str, Any]:
    """Return the options that the ascent family shares."""
    return {
        "lr": group["lr"],
        "rho": _number(group["rho"]),
        "momentum": _number(group["momentum"]),
        "nesterov": bool(group["nesterov"]),
        "weight_decay": _number(group["weight_decay"]),
        "decay": group["decay"],
    }


def _usam(group: Group, _: float | None) -> Filter:
    return filters.USAM(steps=int(group["steps"]), **_shared(group))


def _hessian_usam(group: Group, _: float | None) -> Filter:
    return filters.HessianUSAM(**_shared(group))


def _sam(group: Group, gradient_norm: float | None) -> Filter:
    if gradient_norm is None or not gradient_norm > 0:
        raise NotAFilterError(
            "SAM divides its ascent by the gradient norm, so near a minimum it is not linear and "
            "circles instead of settling. Pass `gradient_norm=` to freeze it where it stands, or "
            "use `passband.optim.USAM`, which has a filter."
        )
    return filters.SAM(gradient_norm=gradient_norm, **_shared(group))


def _derivative(group: Group, _: float | None) -> Filter:
    return filters.DerivativeAction(strength=_number(group["strength"]), **_memory(group))


def _secant(group: Group, _: float | None) -> Filter:
    return filters.Secant(strength=_number(group["strength"]), **_memory(group))


def _extrapolated(group: Group, _: float | None) -> Filter:
    extrapolation = _number(group["extrapolation"])
    return filters.ExtrapolatedNesterov(extrapolation=extrapolation, **_memory(group))


def _memory(group: Group) -> dict[str, Any]:
    return {name: _number(group[name]) for name in ("lr", "momentum", "weight_decay")}


def _adam(kind: type[filters.Adam | filters.AdamW | filters.NAdam]) -> Read:
    def read(group: Group, _: float | None) -> Filter:
        return kind(
            lr=group["lr"],
            betas=(_number(group["betas"][0]), _number(group["betas"][1])),
            weight_decay=_number(group.get("weight_decay", 0.0)),
            decoupled=bool(group.get("decoupled_weight_decay", kind is filters.AdamW)),
        )

    return read


def _rmsprop(group: Group, _: float | None) -> Filter:
    return filters.RMSprop(lr=group["lr"], momentum=_number(group["momentum"]))


_KNOWN: dict[type, Read] = {
    torch.optim.SGD: _sgd,
    optim.USAM: _usam,
    optim.HessianUSAM: _hessian_usam,
    optim.SAM: _sam,
    torch.optim.Adam: _adam(filters.Adam),
    torch.optim.AdamW: _adam(filters.AdamW),
    torch.optim.NAdam: _adam(filters.NAdam),
    torch.optim.SparseAdam: _adam(filters.Adam),  # on the rows that a batch touches
    torch.optim.RMSprop: _rmsprop,
    optim.DerivativeSGD: _derivative,
    optim.ExtrapolatedSGD: _extrapolated,
    optim.SecantSGD: _secant,
}


def _known(optimizer: torch.optim.Optimizer) -> Read | None:
    """Return how to read the filter of a group, or None where it has to be measured."""
    kind = type(optimizer)
    if isinstance(optimizer, optim.SharpnessAware):
        undamped = all(not group.get("dampening") for group in optimizer.param_groups)
        if type(optimizer.base) is not torch.optim.SGD or not undamped:
            return None
        return _sam if optimizer.normalize else _usam
    return _KNOWN.get(kind)
