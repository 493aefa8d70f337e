"""Probes where there is no edge, nothing below it, or no time to finish."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from watched import MSE, X, Y, network, quiet

import passband as pb
from passband.monitor import Monitor


def trained(optimizer: torch.optim.Optimizer, model: nn.Module, **options: Any) -> Monitor:
    monitor = quiet(model, MSE, (X, Y), optimizer, every=1, **options)
    step: Any = optimizer.step
    with monitor:
        for _ in range(3):

            def closure() -> Tensor:
                loss = MSE(model(X), Y)
                loss.backward()
                return loss

            optimizer.zero_grad()
            step(closure)
            monitor.step()
    return monitor


def test_an_optimizer_that_lets_nothing_through_is_past_its_edge() -> None:
    model = network()
    sgd = torch.optim.SGD(model.parameters(), lr=5.0, weight_decay=0.5)

    monitor = quiet(model, MSE, (X, Y), sgd, every=1)
    probe = monitor.look()

    assert probe is not None
    assert (probe.edge, probe.ratio) == (0.0, math.inf)
    assert [event.kind for event in monitor.events] == ["past"]
    assert "no curvature just above zero is let through" in monitor.events[0].message


def test_where_there_is_no_edge_the_sharpness_is_measured_and_that_is_said_once() -> None:
    model = network()
    aware = pb.optim.SharpnessAware(torch.optim.AdamW(model.parameters(), lr=0.01), rho=0.05)

    monitor = trained(aware, model)

    assert [event.kind for event in monitor.events] == ["unjudged"]
    assert "Take its `base`" in monitor.events[0].message
    last = monitor.probes[-1]
    own = pb.PreconditionedHessian(pb.Objective(model, MSE, (X, Y)), aware.base)
    assert last.sharpness == pytest.approx(float(pb.eigenvalues(own, k=1).values[0]), rel=2e-2)
    assert math.isnan(last.ratio)


def test_an_adaptive_optimizer_whose_state_is_not_known_has_no_plain_sharpness() -> None:
    model = network()

    monitor = trained(torch.optim.RAdam(model.parameters(), lr=0.01), model)

    assert math.isnan(monitor.probes[-1].sharpness)
    assert [event.kind for event in monitor.events] == ["unjudged"]


@pytest.mark.parametrize("at", [2, 8])
def test_an_interrupt_in_a_probe_reaches_the_training(
    at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, calls = network(), 0
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    monitor = quiet(model, MSE, (X, Y), sgd, every=1, rtol=1e-9, max_matvecs=8)

    def multiply(H: pb.Hessian, v: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == at:
            raise KeyboardInterrupt
        return original(H, v)

    original = pb.Hessian._matvec
    monkeypatch.setattr(pb.Hessian, "_matvec", multiply)
    with pytest.raises(KeyboardInterrupt):
        monitor.look()
