"""Questions about optimizers that climb before they descend, put to us and to our peers."""

import contextlib
import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from comparison_spectra import MSE, batches, network
from torch import Tensor, nn

import passband as pb

Make = Callable[[nn.Module], Any]
SGD = {"lr": 0.1, "momentum": 0.9}


def passes(model: nn.Module, *, fail: int = 0) -> Callable[[], Tensor]:
    """Return a closure, as for LBFGS; its pass number ``fail`` raises."""
    (x, y), count = batches(40)[0], list[int]()

    def closure() -> Tensor:
        count.append(1)
        if len(count) == fail:
            raise RuntimeError("no such file")
        model.zero_grad()
        loss = MSE(model(x), y)
        loss.backward()
        return loss

    return closure


def two_steps(optimizer: Any, model: nn.Module) -> None:
    closure = passes(model)
    closure()
    optimizer.first_step(zero_grad=True)
    closure()
    optimizer.second_step(zero_grad=True)


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(p, q) for p, q in pairs)


def one_call(make: Make) -> str:
    """``step(closure)`` alone, as for LBFGS: the step of two passes?"""
    one, other = network(), network()
    make(one).step(passes(one))
    two_steps(make(other), other)
    return "yes" if same(one, other) else "no, another step"


def resumed(make: Make) -> str:
    """Three steps, a checkpoint, a fourth step: the weights of an uninterrupted run?"""
    straight = network()
    optimizer = make(straight)
    for _ in range(3):
        two_steps(optimizer, straight)
    again, saved = copy.deepcopy(straight), copy.deepcopy(optimizer.state_dict())
    other = make(again)
    other.load_state_dict(saved)
    two_steps(optimizer, straight)
    two_steps(other, again)
    return "bitwise" if same(straight, again) else "no"


def failed(make: Make) -> str:
    """The second pass raises: are the weights where they were?"""
    model = network()
    optimizer, before = make(model), copy.deepcopy(model)
    for p, g in zip(model.parameters(), before.parameters(), strict=True):
        p.grad = torch.ones_like(g)  # for those that want a first gradient before
    with contextlib.suppress(RuntimeError):
        optimizer.step(passes(model, fail=2 if make is sharpness_aware else 1))
    return "yes" if same(model, before) else "no, displaced"


def scaled(make: Make) -> str:
    """fp16's overflow in the first of two passes: is the step left out?"""
    model, (x, y) = network(), batches(40)[0]
    optimizer, before = make(model), copy.deepcopy(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    count = list[int]()

    def closure() -> Tensor:
        count.append(1)
        loss = MSE(model(x), y) * (math.inf if len(count) == 1 else 1.0)
        scaler.scale(loss).backward()
        return loss

    if make is sharpness_aware:
        optimizer.step(closure, scaler=scaler)
    else:
        closure()
        scaler.step(optimizer, closure)
    scaler.update()
    return f"{'yes' if same(model, before) else 'no'}, scale {scaler.get_scale():g} after 8"


def statistics(make: Make) -> str:
    """Batch-norm statistics counted in a step of two passes."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), norm := nn.BatchNorm1d(4), nn.Linear(4, 2))
    optimizer = make(model)
    if make is sharpness_aware:
        optimizer.attach(model)
    two_steps(optimizer, model)
    return str(int(norm.num_batches_tracked or 0))


def sharpness_aware(model: nn.Module) -> Any:
    base = torch.optim.SGD(model.parameters(), **SGD)
    return pb.optim.SharpnessAware(base, rho=0.05, normalize=True)


def of(kind: Any) -> Make:
    """Return the peer's SAM around SGD."""

    def make(model: nn.Module) -> Any:
        return kind(model.parameters(), torch.optim.SGD, rho=0.05, **SGD)

    return make
