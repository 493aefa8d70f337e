"""Questions about optimizers that climb before they descend, put to us and to our peers."""

import contextlib
import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from comparison_spectra import MSE, batches, network
from torch import Tensor, nn

import passband as pb

Make = Callable[[nn.Module], Any]
SGD: dict[str, Any] = {"lr": 0.1, "momentum": 0.9}


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
    """One step through a GradScaler, and one whose second pass overflows."""
    other = network()
    start = copy.deepcopy(other)
    two_steps(make(other), other)
    stepped = same(through_scaler(make, overflow_in=0), other)
    skipped = same(through_scaler(make, overflow_in=2), start)
    return f"{'right' if stepped else 'wrong'}, {'left out' if skipped else 'not left out'}"


def through_scaler(make: Make, *, overflow_in: int) -> nn.Module:
    model, (x, y) = network(), batches(40)[0]
    optimizer, count = make(model), list[int]()
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)

    def closure() -> Tensor:
        count.append(1)
        model.zero_grad()
        loss = MSE(model(x), y) * (math.inf if len(count) == overflow_in else 1.0)
        scaler.scale(loss).backward()
        return loss

    if make is sharpness_aware:
        optimizer.step(closure, scaler=scaler)
    else:
        closure()
        scaler.step(optimizer, closure=closure)
    scaler.update()
    return model


def statistics(make: Make) -> str:
    """Batch-norm statistics counted in a step of two passes, by closure."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), norm := nn.BatchNorm1d(4), nn.Linear(4, 2))
    optimizer, closure = make(model), passes(model)
    if make is sharpness_aware:
        optimizer.attach(model)
    else:
        closure()  # they want a first gradient
    optimizer.step(closure)
    return str(int(norm.num_batches_tracked or 0))


def statistics_by_hand(make: Make) -> str:
    """The same through ``first_step`` and ``second_step``."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), norm := nn.BatchNorm1d(4), nn.Linear(4, 2))
    optimizer = make(model)
    if make is sharpness_aware:
        optimizer.attach(model)
    two_steps(optimizer, model)
    return str(int(norm.num_batches_tracked or 0))


def sparse(make: Make) -> str:
    """One step with sparse gradients of an embedding: that with dense ones?"""
    weights: list[Tensor] = []
    for is_sparse in (True, False):
        torch.manual_seed(0)
        table = nn.Embedding(9, 4, sparse=is_sparse)
        optimizer = make(table)
        for step in (optimizer.first_step, optimizer.second_step):
            table(torch.tensor([1, 1, 3])).square().sum().backward()
            step(zero_grad=True)
        weights.append(table.weight.detach())
    return "yes" if torch.allclose(*weights) else "another step"


def held(make: Make) -> str:
    """Most that a step holds beside weights and momentum, in sizes of the parameters (Linux)."""
    model, x = nn.Linear(4000, 4000), torch.randn(2, 4000)
    optimizer = make(model)

    def closure() -> Tensor:
        model.zero_grad()
        (loss := model(x).square().mean()).backward()
        return loss

    def step() -> None:
        if make is not sharpness_aware:
            closure()  # they want a first gradient
        optimizer.step(closure)

    step()  # momentum
    model.zero_grad()
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    step()
    return f"{(memory('VmHWM') - before) / sum(p.nbytes for p in model.parameters()):.1f}"


def memory(what: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(what)).split()[1])


def sharpness_aware(model: nn.Module) -> Any:
    base = torch.optim.SGD(model.parameters(), **SGD)
    return pb.optim.SharpnessAware(base, rho=0.05, normalize=True)


def of(kind: Any) -> Make:
    """Return the peer's SAM around SGD."""

    def make(model: nn.Module) -> Any:
        return kind(model.parameters(), torch.optim.SGD, rho=0.05, **SGD)

    return make
