"""A whole training, watched until its sharpness stops at the edge."""

import math
import statistics
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from watched import quiet

from passband import optim
from passband.studies.images import mnist
from passband.studies.six_edges_training import half_squared_error
from passband.studies.training import one_thread, perceptron

# the demo's own runs, Hessian USAM too, are in `benchmarks/monitor_edges.py`
FULL_BATCH: dict[str, Callable[[Any], Any]] = {
    "gradient descent": lambda p: torch.optim.SGD(p, lr=0.2),
    "heavy ball": lambda p: torch.optim.SGD(p, lr=0.2, momentum=0.5),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.2, momentum=0.5, nesterov=True),
    "usam": lambda p: optim.USAM(p, 0.2, 0.01),
    "two-step": lambda p: optim.USAM(p, 0.2, 0.03, steps=2),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL_BATCH)
def test_progressive_sharpening_is_seen_to_stop_at_the_edge(name: str) -> None:
    """Full batch, real images: the ratio rises to one and stays, whatever the optimizer."""
    images = mnist(train=150, test=0, side=14).train
    x, y = images.x, nn.functional.one_hot(images.y, 10).float()
    model = perceptron((196, 24, 24, 10), activation=nn.Tanh, seed=0, gain=0.5)
    optimizer = FULL_BATCH[name](model.parameters())
    monitor = quiet(model, half_squared_error, (x, y), optimizer, every=50)

    with one_thread(), monitor:
        # at step 900 the two USAM still swing by 4 % about the edge
        for _ in range(1500 if name in {"adam", "usam", "two-step"} else 900):

            def closure() -> Tensor:
                optimizer.zero_grad()
                loss = half_squared_error(model(x), y)
                loss.backward()
                return loss

            optimizer.step(closure)
            monitor.step()

    ratios = [probe.ratio for probe in monitor.probes]
    first = next(p.step for p in monitor.probes if p.ratio >= 0.97)
    edge = [event for event in monitor.events if event.kind == "edge"]
    assert next(r for r in ratios if math.isfinite(r)) < 0.85
    assert edge[0].step == first
    # Adam's preconditioner keeps moving, so its edge is a snapshot
    tolerance = 0.05 if name == "adam" else 0.03
    assert statistics.median(ratios[-9:]) == pytest.approx(1.0, abs=tolerance)
