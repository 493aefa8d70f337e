"""What a monitor sees on the full-batch runs of ``passband demo``: is the ratio 1 in the end?

The six optimizers of the demo, with its network and its 1,000 images, and Adam, each trained until
the sharpness has stopped rising, as in the demo, while a monitor probes every 40 steps. Prints
the median ratio of the last window with its 10th and 90th percentile, the step of the event
"entered the edge of stability", and the first probe above its threshold. Takes about six minutes of
one core; ``--quick`` half a minute.
"""

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

import passband as pb
from passband.monitor.events import ENTERS
from passband.studies.demo import demo_studies
from passband.studies.images import mnist
from passband.studies.plateau import Ascent, Plateau
from passband.studies.six_edges import FullBatchTraining, SixEdges
from passband.studies.six_edges_training import half_squared_error
from passband.studies.training import optimizer_of, perceptron

torch.set_num_threads(1)

Make = Callable[[nn.Module], torch.optim.Optimizer]


def optimizers(study: SixEdges) -> dict[str, Make]:
    makes: dict[str, Make] = {
        method.name: functools.partial(optimizer_of, method) for method in study.methods
    }
    return makes | {"Adam": lambda model: torch.optim.Adam(model.parameters(), lr=1e-3)}


def train(run: FullBatchTraining, make: Make) -> pb.Monitor:
    images = mnist(train=run.images, test=0, side=run.side).train
    x, y = images.x, one_hot(images.y, 10).float()
    widths = (run.side**2, *run.hidden, 10)
    model = perceptron(widths, activation=nn.Tanh, seed=run.seed, gain=run.gain)
    optimizer = make(model)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = half_squared_error(model(x), y)
        loss.backward()
        return loss

    step: Callable[..., Any] = optimizer.step
    ascent = Ascent(patience=run.patience)
    data = (x, y)
    with pb.Monitor(
        model,
        half_squared_error,
        data,
        optimizer,
        every=run.every,
        rtol=2e-3,
        log=None,
        on_event="silent",
    ) as monitor:
        for _ in range(run.limit):
            step(closure)
            probe = monitor.step()
            if probe and probe.ratio > 0 and ascent.stopped(probe.step, probe.ratio):
                break
    return monitor


def row(name: str, monitor: pb.Monitor, window: int, seconds: float) -> str:
    known = [probe for probe in monitor.probes if probe.ratio > 0]
    ratios, steps = [probe.ratio for probe in known], [float(probe.step) for probe in known]
    end = Plateau.of(steps, ratios, window=window)
    first = next((probe.step for probe in known if probe.ratio >= ENTERS), None)
    entered = next((event.step for event in monitor.events if event.kind == "edge"), None)
    products = statistics.median(probe.matvecs for probe in known[1:])
    return (
        f"{name:18}{ratios[0]:8.3f}{end.median:9.3f}  [{end.low:.3f}, {end.high:.3f}]"
        f"{entered!s:>9}{first!s:>9}{known[-1].step:8}{products:6.0f}{seconds:8.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", default=[])
    given = parser.parse_args()
    study = demo_studies(quick=given.quick)[0]
    assert isinstance(study, SixEdges)
    print(f"{'':18}{'first':>8}{'ratio':>9}  {'10 %, 90 %':14}{'event':>9}{'seen':>9}", end="")
    print(f"{'steps':>8}{'Hv':>6}{'CPU s':>8}")
    for name, make in optimizers(study).items():
        if given.only and name not in given.only:
            continue
        began = time.process_time()
        monitor = train(study.training, make)
        print(row(name, monitor, study.training.window, time.process_time() - began), flush=True)


if __name__ == "__main__":
    main()
