"""The runs of `passband.studies.beyond.saddles`: many starts are one vector of parameters."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from passband.studies.beyond.saddles import CURVATURE, Descent
from passband.studies.record import Measurement
from passband.studies.training import one_thread, optimizer_of

SETTLED, CRITICAL, NEAR = 1e-7, 1e-3, 1e-3
WIDTH = 0.2


def well(p: Tensor) -> Tensor:
    """Return ``x²/2 − 2y² + y⁴`` of every start, summed: starts do not feel each other."""
    x, y = p
    return (x**2 / 2 - 2 * y**2 + y**4).sum()


def quartic(p: Tensor) -> Tensor:
    """Return ``x⁴/4 − x³ + x²/2`` of every start, summed."""
    return (p**4 / 4 - p**3 + p**2 / 2).sum()


def measure(run: Descent) -> Measurement:
    """Descend, and say what kind of point every start has reached."""
    generator = torch.Generator().manual_seed(run.seed)
    f = well if run.function == "well" else quartic
    if run.function == "well":
        start = torch.rand(2, run.starts, generator=generator, dtype=torch.float64)
        start = 2 * WIDTH * start - WIDTH
    else:
        start = torch.tensor([[1.9, 2.1]], dtype=torch.float64)
    holder = nn.ParameterList([nn.Parameter(start)])
    p = holder[0]
    optimizer = optimizer_of(run.method, holder)
    step: Callable[..., Any] = optimizer.step

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = f(p)
        value.backward()
        return value

    before = start
    with one_thread():
        for _ in range(run.steps):
            before = p.detach().clone()
            step(closure)
    (gradient,) = torch.autograd.grad(f(p), p)
    at, slope = p.detach(), gradient.norm(dim=0)
    settled = (at - before).norm(dim=0) < SETTLED
    critical = settled & (slope < CRITICAL)
    there = {"moving": ~settled, "not_critical": settled & ~critical}
    if run.function == "well":
        origin = at.norm(dim=0) < NEAR
        there |= {"saddle": critical & origin, "minimum": critical & ~origin}
    metrics = {name: float(which.double().mean()) for name, which in there.items()}
    metrics["gradient_norm"] = float(slope.max())
    metrics["radius_at_saddle"] = float(run.method.filter().radius(CURVATURE))
    if run.function == "quartic":
        metrics["slope"] = float(gradient.mean())
    return Measurement(metrics=metrics)
