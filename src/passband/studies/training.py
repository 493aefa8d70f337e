"""Training loops: deterministic given a seed, on one thread, the same for every optimizer."""

import math
import platform
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from passband import optim
from passband._shapes import Float, Int
from passband.errors import SkippedStepWarning
from passband.studies.images import Images
from passband.studies.methods import Method

Loss = Callable[[Tensor, Tensor], Tensor]
_AT_ONCE = 2000
"""Images that go through a network together where no gradient is needed."""


def perceptron(
    widths: Sequence[int], *, activation: type[nn.Module], seed: int, gain: float = 1.0
) -> nn.Sequential:
    """Return a multilayer perceptron in float32, without activation at the end.

    Args:
        widths: Numbers of units, from the input to the output.
        activation: Between the layers.
        seed: Seeds the weights, torch's default for linear layers.
        gain: Multiplies every initial weight and bias.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(widths):
            layers += [nn.Linear(fan_in, fan_out, dtype=torch.float32), activation()]
        model = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(gain)
    return model


def optimizer_of(method: Method, model: nn.Module) -> torch.optim.Optimizer:
    """Return a fresh optimizer of a model; ``step(closure)`` works for each of them."""
    match method.family:
        case "sgd":
            return torch.optim.SGD(
                model.parameters(),
                lr=method.lr,
                momentum=method.momentum,
                nesterov=method.nesterov,
                weight_decay=method.weight_decay,
            )
        case "usam":
            return optim.USAM(
                model.parameters(),
                method.lr,
                method.rho,
                steps=method.steps,
                momentum=method.momentum,
                nesterov=method.nesterov,
                weight_decay=method.weight_decay,
            )
        case "hessian-usam":
            return optim.HessianUSAM(
                model.parameters(),
                method.lr,
                method.rho,
                momentum=method.momentum,
                nesterov=method.nesterov,
                weight_decay=method.weight_decay,
            )
        case "derivative":
            return optim.DerivativeSGD(
                model.parameters(),
                method.lr,
                edge=method.edge,
                momentum=method.momentum,
                weight_decay=method.weight_decay,
            )
        case "extrapolated":
            return optim.ExtrapolatedSGD(
                model.parameters(),
                method.lr,
                method.momentum,
                edge=method.edge,
                weight_decay=method.weight_decay,
            )
        case "secant":
            return optim.SecantSGD(
                model.parameters(),
                method.lr,
                edge=method.edge,
                momentum=method.momentum,
                weight_decay=method.weight_decay,
            )


def descend(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    batches: Iterator[tuple[Tensor, Tensor]],
) -> Iterator[float]:
    """Train on one batch after another; yield the loss of each, before its step.

    Ends early at a loss that is not finite, and with NaN at a step that the optimizer skips
    because its gradient is not finite: it would stay where it is for ever.
    """
    step: Callable[..., Any] = optimizer.step
    for x, y in batches:

        def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
            optimizer.zero_grad()
            value = loss(model(x), y)
            value.backward()
            return value

        with warnings.catch_warnings():
            warnings.simplefilter("error", SkippedStepWarning)
            try:
                before = float(step(closure).detach())
            except SkippedStepWarning:  # the loss is finite, the gradient uphill is not
                before = math.nan
        yield before
        if not math.isfinite(before):
            return


def in_order(
    images: Images, order: Int[Tensor, " n"], *, batch: int, skip: int = 0
) -> Iterator[tuple[Float[Tensor, "b pixels"], Tensor]]:
    """Yield the images in an order, from batch ``skip`` on; the last batch may be smaller."""
    for first in range(skip * batch, len(order), batch):
        chosen = order[first : first + batch]
        yield images.x[chosen], images.y[chosen]


def accuracy(model: nn.Module, images: Images) -> float:
    """Return the fraction of images whose largest output is their label."""
    right = 0
    with torch.no_grad():
        for x, y in zip(images.x.split(_AT_ONCE), images.y.split(_AT_ONCE), strict=True):
            right += int((model(x).argmax(dim=1) == y).sum())
    # in single precision, as the numbers were that are kept: they compare bit for bit
    return float(torch.tensor(right / len(images.y), dtype=torch.float32))


@contextmanager
def one_thread() -> Generator[None]:
    """Run on one thread: runs side by side do not fight, and sums keep their order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def environment(device: str = "cpu") -> dict[str, str]:
    """Return what may explain a last digit."""
    from passband import __version__

    if device != "cpu":
        device = f"{device}: {torch.cuda.get_device_name(device)}"

    return {
        "passband": __version__,
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "scipy": version("scipy"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "threads": str(torch.get_num_threads()),
        "device": device,
    }
