"""The training of `passband.studies.filters_at_work`: shuffled batches, then the spectrum."""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from passband.errors import NonFiniteError
from passband.problem import Objective
from passband.studies.checkpoints import NOWHERE, Checkpoints
from passband.studies.filters_at_work import SmallBatchTraining
from passband.studies.images import Split
from passband.studies.progress import Progress
from passband.studies.record import Measurement
from passband.studies.sharpness import kept, largest
from passband.studies.training import (
    accuracy,
    descend,
    in_order,
    one_thread,
    optimizer_of,
)

VALUES = 3


def measure(run: SmallBatchTraining, checkpoints: Checkpoints = NOWHERE) -> Measurement:
    """Train a `SmallBatchTraining` and measure where it landed.

    The eigenvalues are those of the loss on all training images, without weight decay: it is
    added outside the ascent and is part of the filter (its edge), not of the curvature.
    """
    with one_thread():
        split, model = run.load(), run.network()
        generator = torch.Generator().manual_seed(run.seed)
        progress = Progress(model, optimizer_of(run.method, model), generator)
        if not progress.resume(checkpoints):
            progress.log = _beginning(accuracy(model, split.test))
        series = _train(run, progress, split, checkpoints)
        extra: dict[str, float] = progress.log["extra"]
        try:
            landing = _landing(run, model, run.pieces(split.train), series)
            return replace(landing, metrics={**landing.metrics, **extra})
        except NonFiniteError:
            note = f"The training diverged in epoch {series['epoch'][-1]:.0f}."
            costs = _costs(run, series["gradients"][-1])
            return Measurement(metrics=costs | extra, series=series, notes=(note,))


def _beginning(start: float) -> dict[str, Any]:
    return {
        "epoch": [0.0],
        "gradients": [0.0],
        "batch_loss": [math.nan],
        "test_accuracy": [start],
        "order": None,
        "seen": [],
        "extra": {},
    }


def _train(
    run: SmallBatchTraining, progress: Progress, split: Split, checkpoints: Checkpoints
) -> dict[str, tuple[float, ...]]:
    """Train from where the log is to the end; a checkpoint can fall between any two steps."""
    log, model = progress.log, progress.model
    per_step = run.method.filter().gradients_per_step
    while log["epoch"][-1] < run.epochs and not _lost(log):
        if log["order"] is None:
            log["order"] = torch.randperm(len(split.train.y), generator=progress.generator)
            log["seen"] = []
        seen: list[float] = log["seen"]
        batches = in_order(split.train, log["order"], batch=run.batch, skip=len(seen))
        for before in descend(model, progress.optimizer, cross_entropy, batches):
            seen.append(before)
            if math.isfinite(before):
                progress.offer(checkpoints)
        log["epoch"].append(log["epoch"][-1] + 1)
        log["gradients"].append(log["gradients"][-1] + len(seen) * per_step)
        log["batch_loss"].append(sum(seen) / len(seen))
        log["test_accuracy"].append(accuracy(model, split.test))
        log["order"] = None
        if not _lost(log):
            log["extra"] |= run.watch(round(log["epoch"][-1]), model, split)
    progress.offer(checkpoints, last=True)
    names = ("epoch", "gradients", "batch_loss", "test_accuracy")
    return {name: tuple(log[name]) for name in names}


def _lost(log: dict[str, Any]) -> bool:
    return len(log["epoch"]) > 1 and not math.isfinite(log["batch_loss"][-1])


def _landing(
    run: SmallBatchTraining, model: nn.Module, data: Any, series: dict[str, tuple[float, ...]]
) -> Measurement:
    objective = Objective(model, cross_entropy, data)
    spectrum = largest(objective, k=VALUES, rtol=run.rtol, verify=True)
    loss, gradient = objective.value_and_gradient()
    whole = gradient + run.method.weight_decay * objective.theta
    sharpness = float(spectrum.values[0])
    metrics = _costs(run, series["gradients"][-1]) | {
        "test_accuracy": series["test_accuracy"][-1],
        "train_loss": loss,
        "gradient_norm": float(gradient.norm()),
        "gradient_norm_with_decay": float(whole.norm()),
        "sharpness": sharpness,
        "ratio": sharpness / run.method.filter().edge,
    }
    return Measurement(metrics=metrics, spectra={"largest": kept(spectrum)}, series=series)


def _costs(run: SmallBatchTraining, gradients: float) -> dict[str, float]:
    filter = run.method.filter()
    return {
        "edge": filter.edge,
        "gradients": gradients,
        "gradients_per_step": filter.gradients_per_step,
    }
