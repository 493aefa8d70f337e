"""Several parameter groups seen as one filter, where they are one.

With one learning rate a group and all else equal, ``torch.optim.SGD`` multiplies the modes of
``A^½ (H + W) A^½`` by the filter of learning rate 1, where A and W are the diagonal matrices of
learning rates and weight decays. With another momentum a group, modes do not decouple.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer
from typing_extensions import override

from passband._shapes import Float
from passband.errors import NotAFilterError
from passband.filters import SGD, AdamW, Filter
from passband.filters.measured import Measured
from passband.identify import filter_of
from passband.operators import LinearOperator
from passband.operators.preconditioned import preconditioner
from passband.problem import Objective


@final
class Felt(LinearOperator):
    """``A^½ (H + W) A^½``: a Hessian as an optimizer with several groups feels it.

    Args:
        hessian: The operator H.
        scale: Learning rate of every parameter, the diagonal of A, shape ``(n,)``.
        shift: Weight decay of every parameter, the diagonal of W, shape ``(n,)``.
    """

    hessian: LinearOperator
    shifts: Tensor
    root: Tensor

    symmetric: bool = True

    def __init__(
        self, hessian: LinearOperator, *, scale: Float[Tensor, " n"], shift: Float[Tensor, " n"]
    ) -> None:
        self.hessian, self.shifts, self.root = hessian, shift, scale.sqrt()
        self._lives(hessian.size, hessian.dtype, hessian.device)

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        w = self.root * v
        return self.root * (self.hessian @ w + self.shifts * w)


class Plan(NamedTuple):
    """How to judge an optimizer: the filter, and what its curvatures are eigenvalues of.

    Attributes:
        filter: One filter for all groups.
        scale: Learning rates on the diagonal of A, or None where the Hessian itself is meant.
        shift: Weight decays on the diagonal of W, or None.
        notes: What a reader should know.
    """

    filter: Filter
    scale: Tensor | None = None
    shift: Tensor | None = None
    notes: tuple[str, ...] = ()


def plan(optimizer: Optimizer, objective: Objective, *, gradient_norm: float | None = None) -> Plan:
    """Return one filter for all groups that hold parameters of the objective.

    Raises:
        NotAFilterError: If the optimizer has no filter, or its groups have no common one.
    """
    owner = group_of_each(optimizer, objective)
    used = sorted(set(owner))
    filters = [filter_of(optimizer, index, gradient_norm=gradient_norm) for index in used]
    if any(filter.curvature == "preconditioned" for filter in filters):
        return _preconditioned(optimizer, objective, filters)
    differing = _differing(filters)
    if not differing:
        return Plan(filters[0])
    if differing <= {"lr", "weight_decay"} and isinstance(filters[0], SGD):
        by_group = dict(zip(used, filters, strict=True))
        return Plan(
            dataclasses.replace(filters[0], lr=1.0, weight_decay=0.0),
            scale=_diagonal(objective, [_option(by_group[i], "lr") for i in owner]),
            shift=_diagonal(objective, [_option(by_group[i], "weight_decay") for i in owner]),
            notes=(
                (
                    f"parameter groups differ in {_words(differing)}: λ is an eigenvalue of "
                    "A^½ (H + W) A^½, learning rates A and weight decays W included, so the filter "
                    "is that of lr=1 without decay"
                ),
            ),
        )
    if differing == {"weight_decay"}:
        decays = [_option(filter, "weight_decay") for filter in filters]
        largest = filters[decays.index(max(decays))]
        return Plan(
            largest,
            notes=(
                (
                    f"parameter groups differ in weight decay, {min(decays):g} to {max(decays):g}: "
                    "judged at the largest, which moves an edge by no more than their difference "
                    "divided by the slope of the ascent's response there"
                ),
            ),
        )
    raise NotAFilterError(
        f"the parameter groups differ in {_words(differing)}, so their modes do not decouple and "
        "there is no common filter. Inspect one group at a time with `parameters=`."
    )


def group_of_each(optimizer: Optimizer, objective: Objective) -> list[int]:
    """Return, for every parameter tensor of the objective, the group that holds it."""
    held = {
        id(p): index for index, group in enumerate(optimizer.param_groups) for p in group["params"]
    }
    named = dict(objective.model.named_parameters())
    missing = [name for name in objective.names if id(named[name]) not in held]
    if missing:
        raise ValueError(
            f"the optimizer must hold every parameter that is inspected; it lacks "
            f"{', '.join(missing[:3])}{' …' if len(missing) > 3 else ''}. Was the model copied or "
            "moved after the optimizer was made?"
        )
    return [held[id(named[name])] for name in objective.names]


def weight_decays(optimizer: Optimizer, objective: Objective) -> Float[Tensor, " n"]:
    """Return the weight decay of every single parameter, shape ``(n,)``."""
    groups = [optimizer.param_groups[i] for i in group_of_each(optimizer, objective)]
    return _diagonal(objective, [float(group.get("weight_decay") or 0.0) for group in groups])


def coupled_decays(optimizer: Optimizer, objective: Objective) -> Float[Tensor, " n"]:
    """Return the weight decays, 0 where they are applied beside the preconditioner, ``(n,)``."""
    return torch.where(_decoupled(optimizer, objective), 0.0, weight_decays(optimizer, objective))


def _decoupled(optimizer: Optimizer, objective: Objective) -> Tensor:
    """Return where an adaptive optimizer applies decay beside its preconditioner, ``(n,)``."""
    by_name = isinstance(getattr(optimizer, "base", optimizer), torch.optim.AdamW)
    groups = [optimizer.param_groups[i] for i in group_of_each(optimizer, objective)]
    flags = [float(group.get("decoupled_weight_decay", by_name)) for group in groups]
    return _diagonal(objective, flags) > 0


def decayed(
    gradient: Float[Tensor, " n"], optimizer: Optimizer, objective: Objective
) -> tuple[Float[Tensor, " n"], str]:
    """Return what vanishes where the optimizer rests, and a word about it if decay is in it.

    That is ``∇f + ωθ``; where decay is decoupled from a preconditioner P, ``∇f + ωPθ``; and
    ``∇f`` alone as long as P is not there.
    """
    pull = weight_decays(optimizer, objective)
    if not bool(pull.any()):
        return gradient, ""
    beside = _decoupled(optimizer, objective)
    if bool((beside & (pull > 0)).any()):
        try:
            pull = torch.where(beside, pull / preconditioner(objective, optimizer), pull)
        except (TypeError, ValueError):
            return gradient, "‖∇f‖ is without weight decay"
        word = (
            "‖∇f‖ is that of ∇f + ωPθ, which vanishes at rest: P is the preconditioner, ω the decay"
        )
    else:
        word = "‖∇f‖ is that of ∇f + ωθ, weight decay ω included; the loss is without it"
    return gradient + pull * objective.theta, word


def climbed(optimizer: Optimizer, plain: float, decayed: float) -> float:
    """Return the gradient norm that an ascent is divided by: with decay where that is climbed."""
    in_loss = any(group.get("decay") == "loss" for group in optimizer.param_groups)
    return decayed if in_loss else plain


def _preconditioned(optimizer: Optimizer, objective: Objective, filters: Sequence[Filter]) -> Plan:
    """Return the plan of an adaptive optimizer: its filter, and its preconditioner as it is now.

    Coupled weight decay is part of the gradient that is preconditioned, so it goes to W.
    """
    if len(filters) > 1 and (differing := _differing(filters)) - {"lr", "weight_decay"}:
        raise NotAFilterError(
            f"the parameter groups differ in {_words(differing)}: there is no common filter. "
            "Inspect one group at a time with `parameters=`."
        )
    first = filter_of(optimizer, 0)
    decoupled = bool(getattr(first, "decoupled", False))
    decays = [_option(filter, "weight_decay") for filter in filters] if decoupled else []
    shift = weight_decays(optimizer, objective)
    if isinstance(first, Measured) and bool(shift.any()):
        raise NotAFilterError(
            f"{type(optimizer).__name__} was measured with its weight decay, which acts before the "
            "preconditioner and differs from weight to weight. Inspect it with weight_decay=0."
        )
    try:
        scale = preconditioner(objective, optimizer)
    except (TypeError, ValueError) as error:
        raise NotAFilterError(
            f"the filter of {type(optimizer).__name__} is one of preconditioned curvature, and its "
            f"preconditioner could not be read: {error}"
        ) from error
    judging, notes = filters[0] if decoupled else first, list[str]()
    rates = {_option(filter, "lr") for filter in filters} if hasattr(first, "lr") else set[float]()
    if len(rates) > 1:
        notes.append(
            "parameter groups differ in lr: P holds them too, relative to the first group, and "
            f"the edge is that of lr={_option(first, 'lr'):g}"
        )
    if len(set(decays)) > 1 and isinstance(judging, AdamW):
        judging = dataclasses.replace(judging, weight_decay=max(decays))
        least = dataclasses.replace(judging, weight_decay=min(decays)).edge
        notes.append(
            f"parameter groups differ in decoupled weight decay, {min(decays):g} to "
            f"{max(decays):g}: judged at the largest; all at the smallest, the edge would be "
            f"{least:.6g}"
        )
    return Plan(
        judging,
        scale=scale,
        shift=torch.zeros_like(shift) if decoupled else shift,
        notes=(
            (
                "λ is preconditioned curvature, an eigenvalue of P^(-1/2) H P^(-1/2) with P as it "
                "is now; the edge is a snapshot, since P keeps changing"
            ),
            *notes,
        ),
    )


def _diagonal(objective: Objective, values: Sequence[float]) -> Tensor:
    return torch.cat(
        [
            torch.full((shape.numel(),), value, dtype=objective.dtype, device=objective.device)
            for shape, value in zip(objective.shapes, values, strict=True)
        ]
    )


def _differing(filters: Sequence[Filter]) -> set[str]:
    """Return the names of the options in which filters of one class differ."""
    if len({type(filter) for filter in filters}) > 1:
        return {"kind"}
    measured = [filter for filter in filters if isinstance(filter, Measured)]
    if measured:
        return set() if all(_alike(it, measured[0]) for it in measured) else {"measured M(λ)"}
    options = [dataclasses.asdict(filter) for filter in filters]  # pyright: ignore[reportArgumentType]
    return {name for name in options[0] if len({option[name] for option in options}) > 1}


def _alike(one: Measured, other: Measured) -> bool:
    """Whether two measurements are of the same filter, up to their errors."""
    lam = other.scale * np.array([0.1, 0.5, 1.0])
    found, expected = one.transition(lam), other.transition(lam)
    return found.shape == expected.shape and np.allclose(found, expected, rtol=1e-6, atol=1e-9)


def _option(filter: Filter, name: str) -> float:
    return float(getattr(filter, name))


def _words(names: set[str]) -> str:
    return " and ".join(sorted(names)) or "more than their options"
