"""The monitor tells the truth about training and leaves no trace in it."""

import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override
from watched import MSE, X, Y, network, quiet

import passband as pb
from passband import optim
from passband.monitor import (
    Monitor,
    Numbers,
    read_records,
)
from passband.monitor.schedule import Schedule


def trained(
    make: Callable[[nn.Module], Any], steps: int, *, watched: bool, **options: Any
) -> tuple[dict[str, Tensor], Tensor, Monitor | None]:
    model = network(nn.BatchNorm1d(8), nn.Dropout(0.3))
    optimizer = make(model)
    monitor = quiet(model, MSE, (X, Y), optimizer, **options) if watched else None
    if monitor is not None:
        monitor.__enter__()
    for _ in range(steps):

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = MSE(model(X), Y)
            loss.backward()
            return loss

        optimizer.step(closure)
        if monitor is not None:
            monitor.step()
    return model.state_dict(), torch.rand(1), monitor


@pytest.mark.parametrize(
    "make",
    [
        lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9),
        lambda m: torch.optim.AdamW(m.parameters(), lr=0.01),
        lambda m: optim.USAM(m.parameters(), 0.1, 0.1),
    ],
    ids=["sgd", "adamw", "usam"],
)
def test_training_is_bitwise_what_it_is_without(make: Any) -> None:
    state, random, _ = trained(make, 6, watched=False)
    watched, random_watched, monitor = trained(
        make, 6, watched=True, every=3, smallest=True, spheres=True, batch=8
    )

    assert monitor is not None
    assert len(monitor.probes) == 3
    assert all(torch.equal(watched[name], value) for name, value in state.items())
    assert torch.equal(random, random_watched)


def test_adaptive_curvature_is_never_mixed_with_plain() -> None:
    """Before the first step there is none to show; after a schedule to zero there is no edge."""
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    with quiet(model, MSE, (X, Y), optimizer, every=1) as monitor:
        for _ in range(2):
            optimizer.zero_grad()
            MSE(model(X), Y).backward()
            optimizer.step()
            monitor.step()
        optimizer.param_groups[0]["lr"] = 0.0
        optimizer.step()
        monitor.step()

    first, _, before, after = monitor.probes
    assert math.isnan(first.sharpness)
    assert "state" in first.note
    assert math.isnan(after.edge)
    assert "lr=0.0" in after.note
    objective = pb.Objective(model, MSE, (X, Y))
    own = pb.eigenvalues(pb.PreconditionedHessian(objective, optimizer), k=1)
    assert after.sharpness == pytest.approx(float(own.values[0]), rel=1e-2)
    assert before.ratio == before.sharpness / before.edge


def test_probes_are_dense_eigenvalues_against_the_edge_of_the_moment() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
    monitor = quiet(model, MSE, (X, Y), optimizer, every=1, smallest=True, rtol=1e-4, batch=7)

    for step in range(1, 4):
        optimizer.zero_grad()
        MSE(model(X), Y).backward()
        optimizer.step()
        schedule.step()
        probe = monitor.step()
        assert probe is not None
        objective = pb.Objective(model, MSE, (X, Y))
        H = pb.Hessian(objective).dense()
        values, vectors = torch.linalg.eigh(H.double())
        assert abs(probe.sharpness - values[-1]) <= probe.error + 1e-5
        assert probe.smallest == pytest.approx(
            float(values[0]), abs=3e-3 * float(values[-1])
        )  # estimated, not verified
        lr = 0.1 * 0.5 ** (step // 2)
        assert probe.edge == pytest.approx(2 * 1.5 / lr - 0.01)
        assert probe.ratio == pytest.approx(probe.sharpness / probe.edge)
        gradient = (objective.gradient() + 0.01 * objective.theta).double()
        assert probe.gradient_norm == pytest.approx(float(gradient.norm()), rel=1e-5)
        along = float((vectors[:, -1] @ gradient).abs() / gradient.norm())
        assert probe.alignment == pytest.approx(along, abs=1e-2)
        expected, mode, along = 0.0, vectors[:, -1].float(), list[float]()
        for x, y in zip(X.split(7), Y.split(7), strict=True):
            batch = pb.Objective(model, MSE, (x, y))
            g = batch.gradient()
            expected += len(x) / 20 * float(g @ (pb.Hessian(batch) @ g) / (g @ g))
            along.append(float(mode @ (pb.Hessian(batch) @ mode)))
        assert probe.batch_sharpness == pytest.approx(expected, rel=1e-4)
        ratio = statistics.stdev(along) / float(values[-1])
        edge = pb.filter_of(optimizer).mean_square_edge(ratio=ratio)
        # rtol=1e-4 of the value is 1e-2 of the mode, to which the scatter is linear
        assert probe.mean_square_ratio == pytest.approx(float(values[-1]) / edge, rel=2e-2)
        assert probe.mean_square_ratio > probe.ratio
        parts = objective.split(mode)
        shares = sorted(((float(p @ p), n) for n, p in flat(parts).items()), reverse=True)
        assert list(probe.layers) == [name for _, name in shares]
        assert list(probe.layers.values()) == pytest.approx([s for s, _ in shares], abs=1e-2)


def flat(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: part.reshape(-1) for name, part in parts.items()}


def test_normalized_networks_are_watched_on_their_spheres(tmp_path: Path) -> None:
    model = network(nn.BatchNorm1d(8))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.05)
    path = tmp_path / "monitor.jsonl"
    with quiet(
        model, MSE, (X, Y), optimizer, every=1, spheres=True, rtol=1e-4, log=path
    ) as monitor:
        optimizer.zero_grad()
        MSE(model(X), Y).backward()
        optimizer.step()
        probe = monitor.step()

    assert probe is not None
    expected = pb.spherical(model, MSE, (X, Y), optimizer, each=False)
    assert probe.spherical_ratio == pytest.approx(expected.ratio, rel=2e-3)
    assert probe.effective_lr == pytest.approx({s.name: s.effective_lr for s in expected.spheres})
    assert list(probe.effective_lr) == ["0.weight"]
    assert read_records(path)[0] == monitor.probes
    numbers: dict[str, float] = {}
    Numbers(lambda n, _: numbers.update(n)).write(probe)
    assert numbers["passband/effective_lr/0.weight"] == probe.effective_lr["0.weight"]


def test_adam_is_judged_by_its_live_preconditioner() -> None:
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    monitor = quiet(model, MSE, (X, Y), optimizer, every=1, rtol=1e-4)
    for _ in range(3):
        optimizer.zero_grad()
        MSE(model(X), Y).backward()
        optimizer.step()
        monitor.step()

    P = pb.PreconditionedHessian(pb.Objective(model, MSE, (X, Y)), optimizer)
    largest = float(torch.linalg.eigvals(P.dense().double()).real.max())
    probe = monitor.probes[-1]
    assert probe.ratio == pytest.approx(largest / (2 * 1.9 / (0.1 * 0.01)), rel=1e-3)


class Crossing(nn.Module):
    """``½ Σ λᵢ wᵢ²``, whose curvatures can be changed."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.linspace(1, 2, 200))
        self.curvatures: Tensor
        self.register_buffer("curvatures", torch.linspace(0, 1, 200))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * (self.curvatures * self.w**2).sum() * x


def test_a_mode_that_passes_the_one_that_was_largest_is_not_missed() -> None:
    """A search that starts from the last mode alone settles on it: it is a mode still."""
    model, batch = Crossing(), [torch.ones(1)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        return model(batch).sum()

    monitor = quiet(model, loss, batch, optimizer, every=1, rtol=1e-3)
    model.curvatures[3] = 1.5
    monitor.step()
    before = pb.Hessian(pb.Objective(model, loss, batch))
    followed = pb.eigenvalues(before, k=1, rtol=1e-3, verify=False)
    model.curvatures[4] = 1.6
    after = pb.Hessian(pb.Objective(model, loss, batch))
    followed = pb.eigenvalues(after, k=1, rtol=1e-3, verify=False, start=followed)
    probe = monitor.step()

    assert float(followed.values[0]) < 1.51
    assert probe is not None
    assert probe.sharpness == pytest.approx(1.6, rel=1e-3)


def test_warm_searches_are_cheaper() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    monitor = quiet(model, MSE, (X, Y), optimizer, every=1, k=3, rtol=1e-4)
    cold: list[int] = []
    for _ in range(9):
        optimizer.zero_grad()
        MSE(model(X), Y).backward()
        optimizer.step()
        monitor.step()
        H = pb.Hessian(pb.Objective(model, MSE, (X, Y)))
        cold.append(pb.eigenvalues(H, k=3, rtol=1e-4).matvecs)

    warm = [probe.matvecs for probe in monitor.probes[1:]]  # the first one is cold
    assert sum(warm) <= 0.9 * sum(cold[1:])


def test_a_budget_is_kept() -> None:
    schedule = Schedule(None, None, 0.25)
    schedule._began = time.perf_counter()
    done = 0
    for step in range(400):
        if schedule.due(step):
            time.sleep(0.002)
            schedule.done(step, 0.002)
            done += 1
        time.sleep(0.0005)

    assert done > 3
    assert schedule.share <= 0.26


def test_probes_call_the_loss_and_count_batches_as_they_are_told() -> None:
    model = nn.Linear(2, 1, bias=False)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    heavy, light = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 1.0]])

    def loss(m: Any, batch: Any) -> Tensor:
        return m(batch[0]).square().sum()

    with Monitor(
        model,
        loss,
        [(heavy, 3), (light, 1)],
        sgd,
        every=1,
        log=None,
        rtol=1e-6,
        takes="model, batch",
        count=lambda batch: batch[1],
    ) as monitor:
        pass
    assert monitor.probes[0].sharpness == pytest.approx(2 * 4 * 3 / 4, rel=1e-5)
