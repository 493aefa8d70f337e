"""The training of `passband.studies.six_edges`: full batch, with probes of the sharpness."""

import math
import statistics
from itertools import islice, repeat

from torch import Tensor, nn
from torch.nn.functional import one_hot

from passband.errors import NonFiniteError
from passband.problem import Objective
from passband.spectra import Spectrum
from passband.studies.images import mnist
from passband.studies.plateau import Ascent, Plateau
from passband.studies.record import Measurement
from passband.studies.sharpness import kept, largest
from passband.studies.six_edges import FullBatchTraining
from passband.studies.training import descend, one_thread, optimizer_of, perceptron

CLASSES = 10
RTOL = 2e-3
MATVECS = 40


def half_squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Return ``½ ‖output − target‖²``, a mean over the batch."""
    return (output - target).square().sum(dim=1).mean() / 2


def measure(run: FullBatchTraining) -> Measurement:
    """Train a `FullBatchTraining` until its sharpness has stopped rising.

    A probe costs one gradient and the products of a Lanczos search that starts from the
    previous one's answer; it neither moves the weights nor draws random numbers.
    """
    with one_thread():
        images = mnist(train=run.images, test=0, side=run.side).train
        x, y = images.x, one_hot(images.y, CLASSES).to(images.x.dtype)
        model = perceptron(
            (run.side**2, *run.hidden, CLASSES),
            activation=nn.Tanh,
            seed=run.seed,
            gain=run.gain,
        )
        log, notes = _train(run, model, Objective(model, half_squared_error, (x, y)), (x, y))
    return _summary(run, log, notes)


class _Log:
    """One row for every probe."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, ...]] = []
        self.spectrum: Spectrum | None = None
        self.stopped = False

    def column(self, i: int) -> tuple[float, ...]:
        return tuple(row[i] for row in self.rows)


def _train(
    run: FullBatchTraining, model: nn.Module, objective: Objective, data: tuple[Tensor, Tensor]
) -> tuple[_Log, list[str]]:
    log, ascent = _Log(), Ascent(patience=run.patience)
    training = descend(
        model, optimizer_of(run.method, model), half_squared_error, repeat(data, run.limit)
    )
    for step in range(0, run.limit + 1, run.every):
        try:
            log.spectrum = largest(
                objective, rtol=RTOL, verify=step == 0, max_matvecs=MATVECS, start=log.spectrum
            )
            loss, gradient = objective.value_and_gradient()
        except NonFiniteError:
            return log, [f"The training diverged within {run.every} steps before step {step}."]
        sharpness, error = float(log.spectrum.values[0]), float(log.spectrum.errors[0])
        log.rows.append((step, sharpness, error, loss, float(gradient.norm())))
        if ascent.stopped(step, sharpness):
            log.stopped = True
            return log, []
        losses = list(islice(training, run.every))
        if not all(map(math.isfinite, losses)):
            return log, [f"The training diverged within {run.every} steps after step {step}."]
    final = f"{log.rows[-1][1]:.4g}"
    return log, [f"No plateau: the sharpness was {final} and rising after {run.limit} steps."]


def _summary(run: FullBatchTraining, log: _Log, notes: list[str]) -> Measurement:
    steps, sharpness, errors, losses, gradients = (log.column(i) for i in range(5))
    filter = run.method.filter()
    plateau = Plateau.of(steps, sharpness, window=run.window) if log.stopped else None
    tail = plateau.probes if plateau else 1
    metrics = {
        "edge": filter.edge,
        "steps": steps[-1],
        "gradients": steps[-1] * filter.gradients_per_step,
        "gradients_per_step": filter.gradients_per_step,
        "loss": losses[-1],
        "gradient_norm": statistics.median(gradients[-tail:]),
        "plateau": plateau.median if plateau else math.nan,
        "plateau_low": plateau.low if plateau else math.nan,
        "plateau_high": plateau.high if plateau else math.nan,
        "plateau_first": plateau.first if plateau else math.nan,
        "ratio": plateau.median / filter.edge if plateau else math.nan,
        "error": max(errors[-tail:]),
    }
    return Measurement(
        metrics=metrics,
        spectra={"last": kept(log.spectrum)} if log.spectrum else {},
        series={
            "step": steps,
            "sharpness": sharpness,
            "error": errors,
            "loss": losses,
            "gradient_norm": gradients,
        },
        notes=tuple(notes),
    )
