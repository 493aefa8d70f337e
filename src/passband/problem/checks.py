"""What can be found wrong before any work is done."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from passband.errors import NotDeterministicError
from passband.problem.batch_loss import BatchLoss
from passband.problem.batches import Batches, tensors
from passband.problem.explain import brief
from passband.problem.losses import check_mean

_WRAPPERS = {"DistributedDataParallel", "DataParallel", "FullyShardedDataParallel"}


def original(model: Any) -> nn.Module:
    """Return the module that computes, or refuse wrappers that have no second derivative."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"`model` must be a torch.nn.Module; got {brief(model)}. The order is "
            "(model, loss, data)."
        )
    compiled = getattr(model, "_orig_mod", None)
    if isinstance(compiled, nn.Module):
        return compiled
    if wrapper := {kind.__name__ for kind in type(model).__mro__} & _WRAPPERS:
        raise ValueError(
            f"{wrapper.pop()} does not support second derivatives. Give the plain module, "
            "`model.module`, and the data of all ranks, or each rank's share to "
            "`passband.Distributed`."
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError("a scripted module cannot be measured. Give the module it was made from.")
    return model


def check_pair(batches: Batches, device: torch.device) -> None:
    """Refuse a first batch that is not an input and a target on the model's device.

    Both must have a row a sample, unless the caller has said what a batch counts.
    """
    x, y = next(iter(batches))
    for name, part in (("input", x), ("target", y)):
        for t in tensors(part):
            if t.device != device:
                raise ValueError(
                    f"the data must be on the model's device, {device}; the {name} is on "
                    f"{t.device}. Use `.to({str(device)!r})`."
                )
    rows, targets = (next(iter(tensors(part)), None) for part in (x, y))
    if rows is None:
        raise TypeError(
            f"the input must be a tensor; got {type(x).__name__}. Use `torch.as_tensor`."
        )
    if batches.told or not rows.ndim or targets is None or not targets.ndim:
        return
    if len(rows) != len(targets):
        raise ValueError(
            f"input and target must have as many samples; got shapes {tuple(rows.shape)} and "
            f"{tuple(targets.shape)}. Where a row is no sample (time first, packed sequences) say "
            "how much a batch counts, `count=`, or write the loss as `loss(model, batch)`."
        )


def check_loss(loss: BatchLoss, theta: Tensor) -> None:
    """Evaluate one batch twice: is it a mean, finite, the same again, and does it depend on θ?"""

    def task(model: nn.Module) -> Tensor:
        if loss.takes_model:
            return loss.of_model(model)
        output, once = loss.of_pair(model)
        check_mean(loss.function, output, loss.batch[1], once)
        return once

    theta = theta.detach().requires_grad_()
    first = loss.run(theta, task)
    value, again = loss.finite(first), loss.value(theta)
    if abs(value - again) > 1e-4 * max(abs(value), abs(again)):
        raise NotDeterministicError(
            f"the same batch has the loss {value:.7g} and then {again:.7g}: the model or the loss "
            "keeps a state, or draws random numbers of its own. Turn that off."
        )
    leaves = list(_leaves(first))
    own = {id(p): name for name, p in loss.runner.model.named_parameters()}
    if captured := [own[id(leaf)] for leaf in leaves if id(leaf) in own]:
        raise ValueError(
            f"the loss uses parameters past the model it is given: {', '.join(captured[:3])}, from "
            "a list made earlier perhaps. Read them from the model: `loss(model, batch)`."
        )
    if not any(leaf is theta for leaf in leaves):
        raise ValueError(
            f"the loss must depend on the chosen parameters ({', '.join(loss.runner.names[:3])}"
            f"{', …' if len(loss.runner.names) > 3 else ''}); it does not. "
            "Look for `detach`, `no_grad`, `.data` or `.item` on the way from them to the loss."
        )


def _leaves(loss: Tensor) -> Iterator[Tensor]:
    """Yield the tensors to which a backward pass would deliver a gradient."""
    seen: set[Any] = set()
    todo: list[Any] = [loss.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        todo += [parent for parent, _ in node.next_functions]
