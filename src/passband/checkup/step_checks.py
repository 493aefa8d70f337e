"""Findings from one careful step, on a copy of model and optimizer."""

import copy
import dataclasses
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from passband.checkup.diagnosis import Finding
from passband.errors import PassbandWarning, first_line
from passband.identify.transplant import copied
from passband.optim._lists import dense
from passband.optim._passes import Passes
from passband.optim._uphill import UphillOptimizer

_LEAP = 2.0  # a loss that grows by this factor in one step
_ROUNDED = 0.5  # of the weights should move in a step
_HALF = {torch.float16, torch.bfloat16}


def check_step(
    model: nn.Module, optimizer: Optimizer, evaluate: Callable[[nn.Module], Tensor]
) -> Iterator[Finding]:
    """Step once on one batch, as training would.

    Args:
        model: The model; a copy of it is stepped.
        optimizer: The optimizer; copied too.
        evaluate: The loss of one batch under a model.
    """
    memo: dict[int, Any] = {}
    try:
        twin = copy.deepcopy(model, memo)
        stepper = copied(optimizer, memo)
    except Exception as error:
        yield Finding(
            severity="note",
            about="step",
            what=f"model and optimizer could not be copied ({first_line(error)}), so no step was "
            "tried.",
            remedy="Nothing to do if training checkpoints by `state_dict`.",
        )
        return
    if isinstance(stepper, UphillOptimizer) and isinstance(optimizer, UphillOptimizer):
        stepper.passes = _moved(optimizer, twin)
    params = [p for group in stepper.param_groups for p in group["params"]]
    before = [p.detach().clone() for p in params]

    def closure() -> Tensor:
        stepper.zero_grad()
        loss = evaluate(twin)
        loss.backward()
        return loss

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", PassbandWarning)
        try:
            loss = closure().detach()
        except Exception as error:
            yield Finding(
                severity="problem",
                about="loss",
                what=f"it fails on the first batch: {type(error).__name__}: "
                f"{first_line(error).rstrip('.')}.",
                remedy="Run the model and the loss on one batch by hand.",
            )
            return
        yield from _gradients(twin, stepper, loss)
        try:
            step: Callable[..., Any] = stepper.step
            step(closure)
        except Exception as error:
            yield Finding(
                severity="problem",
                about="step",
                what=f"a step fails: {type(error).__name__}: {first_line(error).rstrip('.')}.",
                remedy="See the message; the model itself was not touched.",
            )
            return
    for warning in caught:
        yield Finding(
            severity="warning",
            about="step",
            what=str(warning.message),
            remedy="The same would be said in training.",
        )
    yield from _outcome(params, before, loss, evaluate, twin)


def _moved(optimizer: UphillOptimizer, twin: nn.Module) -> Passes:
    """Return how the passes are run, with the copy in place of the model."""
    passes = optimizer.passes
    return dataclasses.replace(
        passes, model=twin if passes.model is not None else None, before_descent=None
    )


def _gradients(model: nn.Module, optimizer: Optimizer, loss: Tensor) -> Iterator[Finding]:
    if not math.isfinite(float(loss)):
        lost = [n for n, p in model.named_parameters() if not bool(p.detach().isfinite().all())]
        yield Finding(
            severity="problem",
            about="loss",
            what=f"the loss of the first batch is {float(loss)}"
            + (f": {len(lost)} parameters are not finite, first `{lost[0]}`." if lost else "."),
            remedy="Go back to the last checkpoint before they were."
            if lost
            else "Look at the data and the last checkpoint before it was.",
        )
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad and id(p) in held]
    without = [name for name, p in named if p.grad is None]
    if without:
        yield Finding(
            severity="warning",
            about="gradients",
            what=f"{len(without)} of {len(named)} parameters get no gradient, first "
            f"`{without[0]}`.",
            remedy="They are not used, or cut off by `detach()` or `no_grad()`.",
        )
    bad = [name for name, p in named if p.grad is not None and not _finite(p.grad)]
    if bad and math.isfinite(float(loss)):
        yield Finding(
            severity="problem",
            about="gradients",
            what=f"the gradient of `{bad[0]}` is not finite, though the loss is.",
            remedy="A root or a norm at zero, or a division inside `where`, has such gradients.",
        )


def _outcome(
    params: list[Tensor],
    before: list[Tensor],
    loss: Tensor,
    evaluate: Callable[[nn.Module], Tensor],
    model: nn.Module,
) -> Iterator[Finding]:
    moves = [p.detach() - q for p, q in zip(params, before, strict=True)]
    grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in params]
    half = [(m, dense(g) != 0) for m, g in zip(moves, grads, strict=True) if m.dtype in _HALF]
    wanted = sum(int(should.sum()) for _, should in half)
    moved = sum(int(((m != 0) & should).sum()) for m, should in half)
    if moved < _ROUNDED * wanted:
        yield Finding(
            severity="problem",
            about="half precision",
            what=f"only {moved / wanted:.1%} of the weights in half precision moved in a step: the "
            "update of the others is below half a unit in their last place.",
            remedy="Keep weights in float32 and compute under `torch.autocast`, or keep "
            "float32 copies with `optim.Shadow`.",
        )
    if not any(bool((m != 0).any()) for m in moves):
        yield Finding(
            severity="warning",
            about="step",
            what="a step moved no weight at all.",
            remedy="The gradient vanishes, lr is 0, or the step was skipped.",
        )
        return
    if not math.isfinite(float(loss)):  # which is told elsewhere, and is not the step's fault
        return
    with torch.no_grad():
        after = float(evaluate(model))
    if not math.isfinite(after) or after > _LEAP * abs(float(loss)) + 1e-12:
        yield Finding(
            severity="warning",
            about="step",
            what=f"one step takes the loss of its own batch from {float(loss):.4g} to {after:.4g}.",
            remedy="Lower lr, or warm it up.",
        )


def _finite(g: Tensor) -> bool:
    return bool((g.coalesce().values() if g.is_sparse else g).isfinite().all())
