"""The monitor tells the truth about training and leaves no trace in it."""

import inspect
import json
import math
import os
import re
import signal
import statistics
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

import passband as pb
from passband import optim
from passband.errors import MonitorWarning
from passband.monitor import (
    Event,
    Monitor,
    Numbers,
    Probe,
    Several,
    hugging_face_callback,
    lightning_callback,
    newest,
    read_records,
)
from passband.monitor.events import Watch
from passband.monitor.schedule import Schedule
from passband.studies.images import mnist
from passband.studies.six_edges_training import half_squared_error
from passband.studies.training import one_thread, perceptron

MSE = nn.functional.mse_loss
X = torch.linspace(-1, 1, 60).view(20, 3)
Y = torch.stack([X.sum(1).sin(), X[:, 0] * X[:, 1]], dim=1)


def network(*middle: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), *middle, nn.Tanh(), nn.Linear(8, 2))


def quiet(*arguments: Any, **options: Any) -> Monitor:
    return Monitor(*arguments, **{"on_event": "silent", "log": None, **options})


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


def probe_at(step: int, ratio: float, **options: Any) -> Probe:
    return Probe(step=step, sharpness=20 * ratio, edge=20.0, ratio=ratio, lr=0.1, **options)


def test_events_begin_once_and_end_with_hysteresis() -> None:
    watch, filter = Watch(), pb.filters.SGD(lr=0.1)
    ratios = [0.5, 0.98, 0.95, 1.02, 0.91, 0.98, 0.89, 0.97, 1.2, 1.05, 1.3, 0.99, 1.15]

    said = [
        (e.step, e.kind) for i, r in enumerate(ratios) for e in watch.events(probe_at(i, r), filter)
    ]

    assert said == [(1, "edge"), (7, "edge"), (8, "past"), (12, "past")]


def test_an_event_names_the_rate_that_would_hold() -> None:
    (_, past) = Watch().events(probe_at(0, 2.0, above=1), pb.filters.SGD(lr=0.1))

    assert "lr ≤ 0.05 would hold it" in past.message
    assert "40 against 20" in past.message


def test_saddle_leaks_rounding_and_forbidden_rest_are_told() -> None:
    leaky = pb.filters.USAM(lr=0.1, rho=0.1)  # admits [-20, -10] too
    rest = probe_at(0, 0.5, smallest=-12.0, moved_share=0.2)
    stuck = probe_at(1, 1.05, distance=1e-9)

    first = [event.kind for event in Watch().events(rest, leaky)]
    second = [event.kind for event in Watch().events(stuck, leaky)]

    assert first == ["leak", "rounding"]
    assert second == ["edge", "outside"]


@pytest.mark.parametrize("on_event", ["warn", "stop", "silent", "call"])
def test_events_warn_stop_or_call(on_event: str) -> None:
    model, seen = network(), list[Event]()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e3)
    options: Any = {"on_event": seen.append if on_event == "call" else on_event}

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MonitorWarning)
        with Monitor(model, MSE, (X, Y), optimizer, every=5, log=None, **options) as monitor:
            pass

    assert {event.kind for event in monitor.events} == {"edge", "past"}
    assert monitor.should_stop is (on_event == "stop")
    assert len(caught) == (2 if on_event == "warn" else 0)
    assert seen == (monitor.events if on_event == "call" else [])


def test_a_probe_that_fails_does_not_end_training() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    monitor = quiet(model, MSE, (X, Y), optimizer, every=1)
    with torch.no_grad():
        next(model.parameters()).fill_(math.nan)

    found = [monitor.step() for _ in range(5)]

    assert found == [None] * 5
    assert [event.kind for event in monitor.events] == ["failed"] * 3
    assert "No more probes" in monitor.events[-1].message
    assert "is nan" in monitor.events[0].message


def test_out_of_memory_falls_back_to_smaller_batches() -> None:
    def greedy(out: Tensor, y: Tensor) -> Tensor:
        if len(out) > 6 and armed:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return MSE(out, y)

    armed = False
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    monitor = quiet(model, greedy, (X, Y), optimizer, every=1)
    armed = True

    probe = monitor.step()

    assert probe is not None
    assert [event.message for event in monitor.events] == [
        "out of memory; now in batches of 10.",
        "out of memory; now in batches of 5.",
    ]
    assert probe.loss == pytest.approx(float(MSE(model(X), Y).detach()))


def test_a_record_is_read_back_and_goes_on_without_gaps_or_duplicates(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "monitor.jsonl"
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with quiet(model, MSE, (X, Y), optimizer, every=2, log=path) as monitor:
        for _ in range(8):
            monitor.step()
    first = monitor.probes
    with path.open("a") as file:
        file.write('{"step": 9, "los')  # cut off by a crash

    assert [p.step for p in read_records(path)[0]] == [0, 2, 4, 6, 8]
    assert read_records(path)[0] == first or math.isnan(first[0].smallest)

    # the training goes on from a checkpoint of step 4
    with quiet(model, MSE, (X, Y), optimizer, every=2, log=path, step=4) as monitor:
        for _ in range(6):
            monitor.step()

    probes, events = read_records(path)
    assert [p.step for p in probes] == [0, 2, 4, 6, 8, 10]
    assert events == []
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [
        0,
        2,
        4,
        6,
        8,
        10,
    ]


def test_a_monitor_that_cannot_begin_leaves_an_earlier_record(tmp_path: Path) -> None:
    path = tmp_path / "monitor.jsonl"
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with quiet(model, MSE, (X, Y), optimizer, every=1, log=path):
        pass
    before = path.read_text()

    with pytest.raises(ValueError, match="as many samples"):
        quiet(model, MSE, (X, Y[:3]), optimizer, every=1, log=path)

    assert path.read_text() == before != ""


def test_by_default_every_run_has_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    files: list[Path | None] = []
    for _ in range(2):
        with Monitor(model, MSE, (X, Y), optimizer, every=1, on_event="silent") as monitor:
            monitor.step()
        files.append(monitor.file)

    assert len(set(files)) == 2
    for file in files:
        assert file is not None
        assert file.parent == Path("runs/monitor")
        assert [p.step for p in read_records(file)[0]] == [0, 1]
    assert newest() in files


def test_where_nothing_can_be_written_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").write_text("in the way")
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    with (
        pytest.warns(MonitorWarning, match="stops writing"),
        Monitor(model, MSE, (X, Y), optimizer, every=1) as monitor,
    ):
        monitor.step()

    assert [p.step for p in monitor.probes] == [0, 1]
    assert monitor.file is None


@pytest.mark.slow
def test_a_kill_loses_at_most_the_last_probe(tmp_path: Path) -> None:
    path = tmp_path / "monitor.jsonl"
    code = textwrap.dedent(f"""
        import torch, passband as pb
        x = torch.eye(2)
        model = torch.nn.Linear(2, 1)
        sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        monitor = pb.Monitor(model, torch.nn.functional.mse_loss, (x, x[:, :1]), sgd, every=1,
                             log={str(path)!r})
        with monitor:
            while True:
                monitor.step()
                print(monitor.probes[-1].step, flush=True)
    """)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen = 0
    while seen < 10:
        seen = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    last = max([seen, *map(int, process.stdout.read().split())])
    process.wait()
    process.stdout.close()

    steps = [probe.step for probe in read_records(path)[0]]

    assert steps == list(range(len(steps)))
    assert steps[-1] >= last - 1


def test_a_full_disk_does_not_end_training() -> None:
    class Full:
        def write(self, record: Any) -> None:  # noqa: ARG002
            raise OSError(28, "No space left on device")

        def close(self) -> None: ...

    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with (
        pytest.warns(MonitorWarning, match="No space left"),
        Monitor(model, MSE, (X, Y), optimizer, every=1, log=Full()) as monitor,
    ):
        monitor.step()

    assert len(monitor.probes) == 2


def test_trackers_get_numbers_that_exist() -> None:
    seen: list[tuple[int, dict[str, float]]] = []
    said: list[tuple[str, int]] = []
    numbers = Numbers(
        lambda n, step: seen.append((step, dict(n))), lambda text, step: said.append((text, step))
    )

    log = Several(numbers, numbers)
    log.write(Probe(step=7, sharpness=2.0, edge=4.0, ratio=0.5))
    log.write(Event(7, "edge", "there"))
    log.close()

    assert [step for step, _ in seen] == [7, 7]
    assert seen[0][1]["passband/ratio"] == 0.5
    assert "passband/smallest" not in seen[0][1]
    assert said == [("edge: there", 7)] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "`every`"),
        ({"seconds": 0.0}, "`seconds`"),
        ({"budget": 2.0}, "`budget`"),
        ({"k": 0}, "`k`"),
        ({"samples": 0}, "`samples`"),
    ],
)
def test_bad_options_are_refused_before_training(options: Any, message: str) -> None:
    model = network()
    with pytest.raises(ValueError, match=message):
        Monitor(model, MSE, (X, Y), torch.optim.SGD(model.parameters(), lr=0.1), **options)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_in_lightning(tmp_path: Path) -> None:
    lightning: Any = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()
            self.made = torch.optim.SGD(self.net.parameters(), lr=0.1)

        def training_step(self, batch: Any, _: int) -> Tensor:
            return MSE(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return self.made

    module: Any = Module()
    monitor = quiet(module.net, MSE, (X, Y), module.made, every=2, log=tmp_path / "m.jsonl")
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=5)
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=[lightning_callback(monitor)],
        default_root_dir=tmp_path,
    )

    trainer.fit(module, loader)

    assert [p.step for p in read_records(tmp_path / "m.jsonl")[0]] == [0, 2, 4, 6, 8]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_in_hugging_face(tmp_path: Path) -> None:
    transformers: Any = pytest.importorskip("transformers")

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:  # pyright: ignore[reportImplicitOverride]
            return {"loss": MSE(self.net(x), labels)}

    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batch = [{"x": X, "labels": Y}]

    def loss(model: nn.Module, batch: Any) -> Tensor:
        return model(**batch)["loss"]

    monitor = quiet(model, loss, batch, optimizer, every=2, log=tmp_path / "m.jsonl")
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=1,
        per_device_train_batch_size=5,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        model=model,
        args=arguments,
        train_dataset=[{"x": x, "labels": y} for x, y in zip(X, Y, strict=True)],
        optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)),
        callbacks=[hugging_face_callback(monitor)],
    )

    trainer.train()

    assert [p.step for p in read_records(tmp_path / "m.jsonl")[0]] == [0, 2, 4]


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": "10"}, "`every` must be a number; got '10'"),
        ({"seconds": True}, "`seconds` must be a number; got True"),
        ({"on_event": "Warn"}, "`on_event` must be 'warn', 'stop', 'silent' or a function"),
        ({"k": 1.5}, "`k` must be a whole number, 1 or more; got 1.5"),
    ],
)
def test_a_wrong_option_is_named_before_training(options: dict[str, Any], message: str) -> None:
    model = nn.Linear(2, 1)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    make = inspect.unwrap(Monitor.__init__)  # without the types that tests check at run time
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        make(object.__new__(Monitor), model, MSE, (torch.eye(2), torch.zeros(2, 1)), sgd, **options)


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
