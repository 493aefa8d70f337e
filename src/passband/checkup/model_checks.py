"""Findings about the model and what the optimizer holds of it; nothing is run."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.optim import Optimizer

from passband.checkup.diagnosis import Finding
from passband.optim import SharpnessAware
from passband.optim._checked import CheckedOptimizer
from passband.optim._uphill import UphillOptimizer


def check_parameters(model: nn.Module, optimizer: Optimizer) -> Iterator[Finding]:
    """Compare what the model has with what the optimizer holds."""
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    own = {id(p): name for name, p in model.named_parameters(remove_duplicate=False)}
    trainable = {id(p): name for name, p in model.named_parameters() if p.requires_grad}
    left_out = [name for key, name in trainable.items() if key not in held]
    if len(left_out) == len(trainable):
        yield Finding(
            severity="problem",
            about="parameters",
            what="the optimizer holds none of the model's trainable parameters.",
            remedy="Make it from `model.parameters()` of this very model, after moving it.",
        )
        return
    if left_out:
        yield Finding(
            severity="warning",
            about="parameters",
            what=f"the optimizer leaves out {_some(left_out)}.",
            remedy="Freeze them with `requires_grad_(False)` if that is meant.",
        )
    foreign = len(held - own.keys())
    if foreign:
        yield Finding(
            severity="warning",
            about="parameters",
            what=f"{foreign} parameter(s) of the optimizer are not the model's.",
            remedy="They never get a gradient from this model; was it copied or compiled since?",
        )
    names: dict[int, list[str]] = {}
    for name, p in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(p), []).append(name)
    tied = [" = ".join(found) for found in names.values() if len(found) > 1]
    if tied:
        yield Finding(
            severity="note",
            about="tied weights",
            what=f"{_some(tied)} are one tensor.",
            remedy="It counts once in every spectrum and step; nothing to do.",
        )


def check_modes(model: nn.Module, optimizer: Optimizer) -> Iterator[Finding]:
    """Look for layers that make passes differ: batch norm and dropout that are on."""
    uphill = isinstance(optimizer, UphillOptimizer)
    attached = uphill and optimizer.passes.model is not None
    same_masks = uphill and optimizer.passes.same_randomness
    norms = [n for n, m in model.named_modules() if isinstance(m, _BatchNorm) and m.training]
    if norms:
        yield Finding(
            severity="warning" if uphill and not attached else "note",
            about="batch norm",
            what=f"{_some(norms)} normalize(s) by the batch, so the loss of a sample depends on "
            "its batch and weights before it have no scale"
            + (", and every pass of a step updates the statistics." if uphill else "."),
            remedy="Call `optimizer.attach(model)`, and statistics count once."
            if uphill and not attached
            else "Judge in this mode: a bias in front of a normalization has a second moment of "
            "nearly zero, which counts in `eval()`."
            if _divides_by_moments(optimizer)
            else "Judge in `eval()` mode, or with the batch size of training.",
        )
    dropouts = [
        n for n, m in model.named_modules() if isinstance(m, _DropoutNd) and m.training and m.p > 0
    ]
    if dropouts:
        yield Finding(
            severity="warning" if uphill and not same_masks else "note",
            about="dropout",
            what=f"{_some(dropouts)} is on"
            + (": each pass of a step draws its own mask." if uphill else ": the loss is random."),
            remedy="`optimizer.attach(model, same_randomness=True)` draws one mask a step."
            if uphill and not same_masks
            else "Spectra are measured with fixed masks; use `eval()` for those of the mean.",
        )


def _divides_by_moments(optimizer: Optimizer) -> bool:
    inner = optimizer.base if isinstance(optimizer, SharpnessAware) else optimizer
    return isinstance(inner, torch.optim.Adam | torch.optim.NAdam | torch.optim.RMSprop)


def check_layers(model: nn.Module, optimizer: Optimizer) -> Iterator[Finding]:
    """Look for layers that an optimizer or a Hessian product cannot do with."""
    sparse = [
        n
        for n, m in model.named_modules()
        if isinstance(m, nn.Embedding | nn.EmbeddingBag) and m.sparse
    ]
    if sparse and isinstance(optimizer, CheckedOptimizer) and not optimizer.takes_sparse:
        yield Finding(
            severity="problem",
            about="sparse gradients",
            what=f"{_some(sparse)} has sparse gradients, which {type(optimizer).__name__} refuses.",
            remedy="Build it with `sparse=False`.",
        )
    compiled: Any = getattr(model, "_orig_mod", None)
    if compiled is not None and type(optimizer).__name__ == "HessianUSAM":
        yield Finding(
            severity="problem",
            about="compiled model",
            what="compiled code has no second derivative, which HessianUSAM takes.",
            remedy="Train the model as it was before `torch.compile`, or with USAM.",
        )


def check_precision(model: nn.Module) -> Iterator[Finding]:
    """Look for weights in half precision."""
    half = [n for n, p in model.named_parameters() if p.dtype in {torch.float16, torch.bfloat16}]
    if half:
        yield Finding(
            severity="warning",
            about="half precision",
            what=f"{_some(half)} are kept in half precision: small updates are rounded away, and "
            "no Hessian product can be trusted.",
            remedy="Keep weights in float32 and compute under `torch.autocast`, or keep float32 "
            "copies with `optim.Shadow`.",
        )


def _some(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")
