"""The training of `passband.studies.filters_at_work`: shuffled batches, then the spectrum."""

import math
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from passband.errors import NonFiniteError
from passband.problem import Objective
from passband.studies.filters_at_work import SmallBatchTraining
from passband.studies.images import mnist
from passband.studies.record import Measurement
from passband.studies.sharpness import kept, largest
from passband.studies.training import (
    accuracy,
    descend,
    one_thread,
    optimizer_of,
    perceptron,
    shuffled,
)

CLASSES = 10
VALUES = 3


def measure(run: SmallBatchTraining) -> Measurement:
    """Train a `SmallBatchTraining` and measure where it landed.

    The eigenvalues are those of the loss on all training images, without weight decay: it is
    added outside the ascent and is part of the filter (its edge), not of the curvature.
    """
    with one_thread():
        split = mnist(train=run.train, test=run.test, side=run.side)
        model = perceptron((run.side**2, *run.hidden, CLASSES), activation=nn.ReLU, seed=run.seed)
        optimizer = optimizer_of(run.method, model)
        generator = torch.Generator().manual_seed(run.seed)
        per_step = run.method.filter().gradients_per_step

        epochs, gradients, losses, accuracies = (
            [0],
            [0.0],
            [math.nan],
            [accuracy(model, split.test)],
        )
        for epoch in range(1, run.epochs + 1):
            batches = shuffled(split.train, batch=run.batch, generator=generator)
            seen = list(descend(model, optimizer, cross_entropy, batches))
            epochs.append(epoch)
            gradients.append(gradients[-1] + len(seen) * per_step)
            losses.append(sum(seen) / len(seen))
            accuracies.append(accuracy(model, split.test))
            if not math.isfinite(losses[-1]):
                break
        series = {
            "epoch": tuple(map(float, epochs)),
            "gradients": tuple(gradients),
            "batch_loss": tuple(losses),
            "test_accuracy": tuple(accuracies),
        }
        try:
            return _landing(run, model, (split.train.x, split.train.y), series)
        except NonFiniteError:
            note = f"The training diverged in epoch {epochs[-1]}."
            return Measurement(metrics=_costs(run, gradients[-1]), series=series, notes=(note,))


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
