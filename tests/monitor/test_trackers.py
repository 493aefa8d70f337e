"""Real trackers: what a monitor wrote is read back with their own readers."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from passband import Monitor
from passband.monitor import (
    RecordFile,
    Several,
    mlflow as to_mlflow,
    read_records,
    tensorboard as to_tensorboard,
    wandb as to_wandb,
)

X, Y = torch.eye(4), torch.eye(4)[:, :2]
MSE = nn.functional.mse_loss


def watched(log: Any, *, steps: int = 4) -> Monitor:
    """Train a linear network past its edge, so that there is an event too."""
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=10.0)
    with Monitor(model, MSE, (X, Y), optimizer, every=2, log=log, on_event="silent") as monitor:
        for _ in range(steps):
            optimizer.zero_grad()
            MSE(model(X), Y).backward()
            optimizer.step()
            monitor.step()
    assert monitor.events
    return monitor


def test_tensorboard_reads_back_every_probe_and_event(tmp_path: Path) -> None:
    name = "tensorboard.backend.event_processing.event_accumulator"
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        monitor = watched(to_tensorboard(writer))

    events: Any = importlib.import_module(name).EventAccumulator(str(tmp_path))
    events.Reload()
    read = events.Scalars("passband/sharpness")
    assert [e.step for e in read] == [p.step for p in monitor.probes] == [0, 2, 4]
    assert [e.value for e in read] == pytest.approx([p.sharpness for p in monitor.probes], rel=1e-6)
    assert "passband/smallest" not in events.Tags()["scalars"]
    (text, *_) = events.Tensors("passband/events/text_summary")
    assert monitor.events[0].message in text.tensor_proto.string_val[0].decode()


@pytest.mark.filterwarnings("ignore")  # of other packages, at import
def test_mlflow_reads_back_every_probe_from_sqlite(tmp_path: Path) -> None:
    client = pytest.importorskip("mlflow")
    client.set_tracking_uri(f"sqlite:///{tmp_path / 'runs.db'}")
    client.set_experiment("edges")
    with client.start_run() as run:
        monitor = watched(to_mlflow())

    reader = client.MlflowClient()
    read = reader.get_metric_history(run.info.run_id, "passband.ratio")
    assert [m.step for m in read] == [0, 2, 4]
    assert [m.value for m in read] == pytest.approx([p.ratio for p in monitor.probes], rel=1e-12)
    tags = reader.get_run(run.info.run_id).data.tags
    told = {f"passband.event.{e.step}.{e.kind}": e.message for e in monitor.events}
    assert len(told) > 1  # also of one step
    assert told.items() <= tags.items()


@pytest.mark.filterwarnings("ignore")
def test_weights_and_biases_offline_takes_every_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    with client.init(mode="offline", dir=str(tmp_path), project="edges") as run:
        monitor = watched(to_wandb(run))
        assert run.summary["passband/ratio"] == pytest.approx(monitor.probes[-1].ratio)
        assert run.summary["passband/step"] == 4
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


def test_several_trackers_at_once_write_a_file_too(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path / "board")) as writer:
        file = RecordFile(tmp_path / "monitor.jsonl", step=0)
        monitor = watched(Several(to_tensorboard(writer), file))

    assert read_records(tmp_path / "monitor.jsonl")[0] == monitor.probes
    assert list((tmp_path / "board").glob("events.*"))
