"""How a loss wants to be called, and whether it is what it should be."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from passband.problem.explain import brief

Takes = Literal["auto", "output, target", "model, batch"]

_MODEL_NAMES = {"model", "module", "net", "network"}
_OUTPUT_NAMES = {"input", "inputs", "output", "outputs", "logits", "pred", "preds", "prediction"}


def takes_model(loss: Callable[..., Any], takes: Takes, data: Any) -> bool:
    """Return whether ``loss`` is called as ``loss(model, batch)``.

    Without a word from the caller it is where the first argument is called ``model``,
    ``module``, ``net`` or ``network`` or annotated as a module, and where the data is a mapping.
    """
    if not callable(loss):
        raise TypeError(
            f"`loss` must be callable; got {brief(loss)}. The order is (model, loss, data)."
        )
    if isinstance(loss, type):
        raise TypeError(f"`loss` must be called; write `{loss.__name__}()` with brackets.")
    if takes == "auto":
        first = _first_of(loss)
        if isinstance(data, Mapping) and first is not None and first.name in _OUTPUT_NAMES:
            raise TypeError(
                "with a mapping as data the loss is called as `loss(model, batch)`; this one takes "
                f"`{first.name}` first. Give a pair, `(data['x'], data['y'])`, or write a loss of "
                "model and batch."
            )
        return isinstance(data, Mapping) or (first is not None and _is_model(first))
    if takes not in {"output, target", "model, batch"}:
        known = "'auto', 'output, target' or 'model, batch'"
        raise ValueError(f"`takes` must be {known}; got {takes!r}.")
    return takes == "model, batch"


def _first_of(loss: Callable[..., Any]) -> inspect.Parameter | None:
    """Return the first argument of a loss, None for a builtin that does not name it."""
    try:
        signature = inspect.signature(loss.forward if isinstance(loss, nn.Module) else loss)
    except (TypeError, ValueError):
        return None
    if not signature.parameters:
        raise TypeError(
            "`loss` must take two arguments, (output, target) or (model, batch); it takes none."
        )
    return next(iter(signature.parameters.values()))


def _is_model(argument: inspect.Parameter) -> bool:
    kind = argument.annotation
    annotated = isinstance(kind, type) and issubclass(kind, nn.Module)
    return annotated or argument.name.lower() in _MODEL_NAMES


def scalar(loss: Any, *, takes: str) -> Tensor:
    """Return the loss as a tensor without dimensions, or say what it is instead."""
    if not isinstance(loss, Tensor):
        raise TypeError(
            f"`loss({takes})` must return a tensor; got {type(loss).__name__}. "
            "A number from `.item()` has no gradient."
        )
    if loss.numel() != 1:
        raise ValueError(
            f"`loss({takes})` must return one number; got shape {tuple(loss.shape)}. "
            'Take the mean over the batch: `reduction="mean"`.'
        )
    if not loss.is_floating_point():
        raise TypeError(f"`loss({takes})` must return a real number; got {loss.dtype}.")
    return loss.reshape(())


def check_mean(loss: Callable[..., Any], output: Any, target: Any, once: Tensor) -> None:
    """Refuse a loss that changes when every sample of the batch appears twice.

    A sum doubles, and with it every curvature. Where the batch cannot be repeated
    (outputs that are not tensors with one row a sample) nothing is checked.
    """
    both = isinstance(output, Tensor) and isinstance(target, Tensor)
    if not both or not output.ndim or not target.ndim or len(output) != len(target):
        return
    try:
        doubled = loss(torch.cat([output, output]), torch.cat([target, target]))
        once_, twice = float(once.detach()), float(doubled.detach())
    except Exception:  # a loss bound to one batch size: its first use will tell
        return
    if abs(twice - once_) > 1e-3 * max(abs(once_), abs(twice)):
        raise ValueError(
            f"`loss` must be a mean over the batch; with every sample twice it is {twice:.6g} "
            f'instead of {once_:.6g}. For a sum use `reduction="mean"`; a loss that compares '
            "samples with each other goes in as `loss(model, batch)`."
        )
