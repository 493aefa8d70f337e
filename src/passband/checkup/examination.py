"""``doctor``: model, optimizer and data in, findings out."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypedDict, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from passband.checkup.diagnosis import Diagnosis, Finding
from passband.checkup.model_checks import (
    check_layers,
    check_modes,
    check_parameters,
    check_precision,
)
from passband.checkup.randomness import kept_randomness
from passband.checkup.step_checks import check_step
from passband.errors import NotAFilterError, PassbandError, first_line
from passband.identify import filter_of
from passband.problem import Objective
from passband.problem.batches import apart, as_loader
from passband.problem.explain import brief
from passband.problem.losses import Takes, takes_model
from passband.problem.wrapped import unwrapped
from passband.verdict import inspect, suggest

_FATAL = {"loss", "gradients"}
"""Problems beside which a sharpness says nothing."""


@final
class Call(TypedDict):
    """How the loss is called, and what a batch counts."""

    takes: Takes
    count: Callable[[Any], float] | None


def doctor(
    model: nn.Module,
    optimizer: Optimizer,
    data: Any,
    loss: Callable[..., Any] | None = None,
    *,
    spectrum: bool = True,
    takes: Takes = "auto",
    count: Callable[[Any], float] | None = None,
) -> Diagnosis:
    """Examine a training set-up, and take one careful step on a copy of it.

    Finds what would go wrong and says what to do: parameters that are left out, frozen or tied;
    batch norm and dropout whose passes differ; rounding in half precision; gradients that are
    missing or not finite; a step that fails or leaps; operations without a second derivative;
    a loss that is not reproducible; a learning rate beyond the edge at the current point; a
    radius that lets saddles attract; an optimizer without a filter. Model, optimizer and random
    states (of torch, numpy, Python, and of a loader's own generator) are left as they are.

    Args:
        model: The network, in the mode in which it is trained.
        optimizer: What trains it.
        data: A pair of tensors, a list of batches, or a DataLoader.
        loss: ``loss(output, target)``, the mean over a batch, or ``loss(model, batch)``. Left out,
            the model is called with the batch and its loss is the output, its ``.loss`` or its
            ``["loss"]``, as in Hugging Face models.
        spectrum: Measure the sharpness over all data, 15 to 40 Hessian products; otherwise only
            one batch is used.
        takes: How the loss is called, where the name of its first argument does not say it:
            ``"output, target"`` or ``"model, batch"``.
        count: What a batch counts, ``count(batch)``, where it is not its number of samples.

    Returns:
        The diagnosis; print it.

    Raises:
        TypeError: ``model`` is no module, ``optimizer`` no optimizer, or ``data`` no data.

    Example:
        >>> x, y = torch.eye(2), torch.zeros(2, 1)
        >>> model = nn.Linear(2, 1, bias=False)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=4.0)
        >>> found = doctor(model, sgd, (x, y), loss=nn.functional.mse_loss)
        >>> [finding.about for finding in found.findings if finding.severity == "problem"]
        ['learning rate']
    """
    if not isinstance(model, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"`doctor` needs the model, a torch module, first; got {brief(model)}.")
    optimizer = unwrapped(optimizer)
    if not isinstance(optimizer, Optimizer):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"`doctor` needs a torch optimizer instance second; got {brief(optimizer)}. "
            "The order is doctor(model, optimizer, data, loss)."
        )
    findings: list[Finding] = []
    checked: list[str] = []

    def look(about: str, found: Iterator[Finding]) -> None:
        checked.append(about)
        findings.extend(found)

    look("parameters", check_parameters(model, optimizer))
    look("modes", check_modes(model, optimizer))
    look("layers", check_layers(model, optimizer))
    look("precision", check_precision(model))
    own, call = loss or model_loss, Call(takes="auto" if loss is None else takes, count=count)
    with kept_randomness(model, data):
        batch, problem = _first(data)
        if problem is not None:
            look("data", iter([problem]))
            return Diagnosis.of(findings, checked)
        if loss is None and isinstance(batch, tuple | list):
            raise TypeError(
                "`doctor` needs `loss=` where batches are pairs: doctor(model, optimizer, data, "
                "loss=loss). Without it the model is called with the batch and computes the loss."
            )
        compared: list[tuple[Any, Any]] = []
        whole = takes_model(own, call["takes"], data)

        def evaluate(which: nn.Module) -> Tensor:
            if whole:
                return own(which, batch)
            x, y = batch
            output = which(x)
            compared.append((output, y))
            return own(output, y)

        look("a step", check_step(model, optimizer, evaluate))
        look("shapes", _check_shapes(*compared[0]) if compared else iter(()))
        look("outputs", _check_outputs(own, compared[0][0]) if compared else iter(()))
        look("filter", _check_filter(optimizer))
        lost = any(f.severity == "problem" and f.about in _FATAL for f in findings)
        if spectrum and not lost:
            look("sharpness", _check_sharpness(model, optimizer, data, own, call))
    return Diagnosis.of(findings, checked)


def model_loss(model: nn.Module, batch: Any) -> Tensor:
    """Return the loss that a model computes itself."""
    out: Any = model(**batch) if isinstance(batch, Mapping) else model(batch)
    if isinstance(out, dict) and "loss" in out:
        return out["loss"]
    found = getattr(out, "loss", out)
    if not isinstance(found, Tensor) or found.numel() != 1:
        raise TypeError("the model returns no loss; give `loss=`, as in `passband.inspect`.")
    return found


def _first(data: Any) -> tuple[Any, Finding | None]:
    if isinstance(data, tuple) and len(data) == 2 and all(isinstance(d, Tensor) for d in data):
        return data, None
    if isinstance(data, Mapping):
        return data, None
    for batch in data if isinstance(data, list | tuple) else apart(as_loader(data)):
        return batch, None
    return None, Finding(
        severity="problem",
        about="data",
        what="there is no batch.",
        remedy="Give a pair of tensors, a list of batches or a DataLoader that is not empty.",
    )


def _check_shapes(output: Any, target: Any) -> Iterator[Finding]:
    """Look for outputs and targets that broadcasting sets against each other, all with all."""
    if not (isinstance(output, Tensor) and isinstance(target, Tensor)):
        return
    try:
        shape = torch.broadcast_shapes(output.shape, target.shape)
    except RuntimeError:  # no such loss is meant
        return
    if target.is_floating_point() and shape.numel() > max(output.numel(), target.numel()):
        yield Finding(
            severity="warning",
            about="shapes",
            what=f"outputs of shape {tuple(output.shape)} and targets of {tuple(target.shape)} "
            f"broadcast to {tuple(shape)}: every output may be compared with every target.",
            remedy="Give both one shape, `y[:, None]` or `output.squeeze(1)`.",
        )


def _check_outputs(loss: Any, output: Any) -> Iterator[Finding]:
    """Look for probabilities where cross-entropy wants scores, which it normalizes itself."""
    scores = nn.functional.cross_entropy, nn.CrossEntropyLoss
    if not (loss is scores[0] or isinstance(loss, scores[1])) or not isinstance(output, Tensor):
        return
    values = output.detach().float()
    if values.ndim > 1 and values.shape[1] > 1 and bool((values >= 0).all()):
        sums = values.sum(1)
        if bool(torch.isclose(sums, torch.ones_like(sums), atol=1e-3).all()):
            yield Finding(
                severity="warning",
                about="outputs",
                what="they are probabilities, and cross-entropy takes scores (logits), of which "
                "it makes probabilities itself: gradients are much too small.",
                remedy="Leave the last softmax out, or use `nll_loss` on log-probabilities.",
            )


def _check_filter(optimizer: Optimizer) -> Iterator[Finding]:
    for number in range(len(optimizer.param_groups)):
        where = f" (group {number})" if len(optimizer.param_groups) > 1 else ""
        try:
            filter = filter_of(optimizer, number, gradient_norm=1.0)
        except NotAFilterError as error:
            yield Finding(
                severity="note",
                about=f"filter{where}",
                what=str(error),
                remedy="No edge can be compared with the sharpness.",
            )
            continue
        leaks = [leak for leak in filter.leaks if leak.upper < 0 and not leak.is_point]
        if leaks:
            yield Finding(
                severity="warning",
                about=f"saddle leak{where}",
                what="saddles with curvatures in "
                f"{' ∪ '.join(f'[{i.lower:.4g}, {i.upper:.4g}]' for i in leaks)} attract.",
                remedy="A smaller rho moves them out; HessianUSAM, DerivativeSGD and SecantSGD "
                "have none.",
            )


def _check_sharpness(
    model: nn.Module, optimizer: Optimizer, data: Any, loss: Callable[..., Any], call: Call
) -> Iterator[Finding]:
    try:
        verdict = inspect(model, loss, data, optimizer, k=1, rtol=1e-2, verify=False, **call)
    except NotAFilterError as error:
        yield from _check_twice(model, loss, data, call)
        if "preconditioner could not be read" in str(error):  # else the filter's finding says why
            yield Finding(
                severity="note",
                about="sharpness",
                what=f"not held against the edge: {first_line(error).rstrip('.')}.",
                remedy="Compare losses at a smaller lr, or inspect with an optimizer whose state "
                "is known.",
            )
        return
    except (PassbandError, ValueError, TypeError, RuntimeError) as error:
        yield Finding(
            severity="warning",
            about="sharpness",
            what=f"it could not be measured: {first_line(error).rstrip('.')}.",
            remedy="Training may work, but second derivatives are wrong or missing, so `inspect` "
            "and `HessianUSAM` would not.",
        )
        return
    if verdict.ratio - verdict.ratio_error <= 1:
        return
    remedy = "Lower lr."
    if not verdict.preconditioned and len(optimizer.param_groups) == 1:
        norm = verdict.gradient_norm
        changes = suggest(
            optimizer, verdict.sharpness, ratio=0.9, gradient_norm=norm or math.nan
        ).changes
        remedy = " or ".join(f"{c.option} {c.value:.3g}" for c in changes if c.option == "lr")
        remedy = f"It would fit with {remedy}." if remedy else "Lower lr."
    yield Finding(
        severity="problem",
        about="learning rate",
        what=f"the sharpness here is {verdict.sharpness:.4g} ± {verdict.sharpness_error:.1g}, "
        f"{verdict.ratio:.3g} times the edge {verdict.edge:.4g}: this point cannot be held.",
        remedy=remedy + " Early in training it may catapult to a flatter place instead.",
    )


def _check_twice(
    model: nn.Module, loss: Callable[..., Any], data: Any, call: Call
) -> Iterator[Finding]:
    """Say at least whether the loss is reproducible and finite."""
    try:
        Objective(model, loss, data, **call)
    except (PassbandError, ValueError, TypeError) as error:
        yield Finding(
            severity="warning",
            about="loss",
            what=first_line(error),
            remedy="Spectra need a loss that is a function of the weights.",
        )
