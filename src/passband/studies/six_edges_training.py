"""The training of `passband.studies.six_edges`: full batch, with probes of the sharpness."""

import math
import statistics
from itertools import islice, repeat
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import one_hot

from passband.errors import NonFiniteError
from passband.problem import Objective
from passband.spectra import Spectrum
from passband.studies.checkpoints import NOWHERE, Checkpoints
from passband.studies.images import mnist
from passband.studies.plateau import Ascent, Plateau
from passband.studies.progress import Progress
from passband.studies.record import Eigenvalues, Measurement
from passband.studies.sharpness import direction, kept, largest
from passband.studies.six_edges import FullBatchTraining
from passband.studies.training import descend, one_thread, optimizer_of, perceptron

CLASSES = 10
RTOL = 2e-3
MATVECS = 40


def half_squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Return ``½ ‖output − target‖²``, a mean over the batch."""
    return (output - target).square().sum(dim=1).mean() / 2


def measure(run: FullBatchTraining, checkpoints: Checkpoints = NOWHERE) -> Measurement:
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
        progress = Progress(model, optimizer_of(run.method, model))
        if not progress.resume(checkpoints):
            progress.log = {"step": 0, "rows": [], "peak": [-math.inf, 0], "direction": None}
        objective = Objective(model, half_squared_error, (x, y))
        log = _Log(progress)
        notes = _train(run, log, objective, (x, y), checkpoints)
        progress.offer(checkpoints, last=True)
    return _summary(run, log, notes)


class _Log:
    """One row for every probe; what a checkpoint keeps of it is in ``kept``."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.kept: dict[str, Any] = progress.log
        self.stopped = False

    @property
    def rows(self) -> list[list[float]]:
        return self.kept["rows"]

    def column(self, i: int) -> tuple[float, ...]:
        return tuple(row[i] for row in self.rows)

    def add(self, spectrum: Spectrum, *others: float) -> None:
        """Add a row, and keep where the next search begins."""
        part = kept(spectrum)
        self.rows.append([self.kept["step"], part.values[0], part.errors[0], *others])
        self.kept["direction"], self.kept["matvecs"] = direction(spectrum), part.matvecs

    @property
    def last(self) -> dict[str, Eigenvalues]:
        """The spectrum of the last probe."""
        if not self.rows:
            return {}
        _, value, error, *_ = self.rows[-1]
        part = Eigenvalues(values=(value,), errors=(error,), matvecs=self.kept["matvecs"])
        return {"last": part}


def _train(
    run: FullBatchTraining,
    log: _Log,
    objective: Objective,
    data: tuple[Tensor, Tensor],
    checkpoints: Checkpoints,
) -> list[str]:
    progress = log.progress
    peak, since = log.kept["peak"]
    ascent = Ascent(patience=run.patience, peak=peak, since=since)
    training = descend(progress.model, progress.optimizer, half_squared_error, repeat(data))
    for step in range(log.kept["step"], run.limit + 1, run.every):
        log.kept |= {"step": step, "peak": [ascent.peak, ascent.since]}
        progress.offer(checkpoints)
        try:
            spectrum = largest(
                objective,
                rtol=RTOL,
                verify=step == 0,
                max_matvecs=MATVECS,
                start=log.kept["direction"],
            )
            loss, gradient = objective.value_and_gradient()
        except NonFiniteError:
            return [f"The training diverged within {run.every} steps before step {step}."]
        log.add(spectrum, loss, float(gradient.norm()))
        if ascent.stopped(step, float(spectrum.values[0])):
            log.stopped = True
            return []
        losses = list(islice(training, min(run.every, run.limit - step)))
        if not all(map(math.isfinite, losses)):
            return [f"The training diverged within {run.every} steps after step {step}."]
    final = f"{log.rows[-1][1]:.4g}"
    return [f"No plateau: the sharpness was {final} and rising after {run.limit} steps."]


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
        spectra=log.last,
        series={
            "step": steps,
            "sharpness": sharpness,
            "error": errors,
            "loss": losses,
            "gradient_norm": gradients,
        },
        notes=tuple(notes),
    )
