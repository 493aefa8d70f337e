"""What a monitor costs: CPU seconds of training with and without, at the default budget.

Two networks: W2, a perceptron 784-1024-1024-10, and a small transformer, both on random data. The
trajectories are compared bit for bit. The probe set is one batch, the largest eigenvalue is
found to 1 %; the first probe waits until it fits into the budget. Every probe is compared with the
sharpness from a fresh, verified search for four values at the same weights.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

import passband as pb
from passband.monitor import Probe

torch.set_num_threads(1)

SLICE = 50
Make = Callable[[], tuple[nn.Module, Tensor, Tensor]]


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(64, 64)
        layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportImplicitOverride]
        return self.head(self.layers(self.tokens(x))).flatten(0, 1)


def perceptron() -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    layers = (nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU())
    model = nn.Sequential(*layers, nn.Linear(1024, 10))
    return model, torch.randn(1024, 784), torch.randint(0, 10, (1024,))


def transformer() -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    return Transformer(), torch.randint(0, 64, (64, 32)), torch.randint(0, 64, (64, 32))


def loss(output: Tensor, target: Tensor) -> Tensor:
    return nn.functional.cross_entropy(output, target.flatten())


class Training:
    """SGD on eight batches in turn, watched or not; counts its own processor time."""

    def __init__(self, make: Make, *, watched: bool) -> None:
        self.model, self.x, self.y = make()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)
        self.batch, self.steps, self.seconds = len(self.x) // 8, 0, 0.0
        self.worst, self.bar = 0.0, 0.0
        began = time.process_time()
        self.monitor: pb.Monitor | None = None
        if watched:
            monitor = pb.Monitor(
                self.model, loss, self.part(0), self.optimizer, on_event="silent", log=None
            )
            self.monitor = monitor.__enter__()
        self.seconds += time.process_time() - began

    def part(self, number: int) -> tuple[Tensor, Tensor]:
        at = number % 8 * self.batch
        return self.x[at : at + self.batch], self.y[at : at + self.batch]

    def advance(self, steps: int) -> None:
        began = time.process_time()
        for _ in range(steps):
            x, y = self.part(self.steps)
            self.optimizer.zero_grad()
            loss(self.model(x), y).backward()
            self.optimizer.step()
            self.steps += 1
            probe = self.monitor.step() if self.monitor is not None else None
            if probe is not None:  # the comparison is not part of the price
                self.seconds += time.process_time() - began
                with self.clock_stopped():
                    self.worst = max(self.worst, self.off(probe))
                began = time.process_time()
        self.seconds += time.process_time() - began

    @contextmanager
    def clock_stopped(self) -> Generator[None]:
        """Keep what is done meanwhile from the time that the monitor takes its share of."""
        began = time.perf_counter()
        yield
        if self.monitor is not None:
            schedule: Any = self.monitor.schedule
            schedule._began += time.perf_counter() - began  # noqa: SLF001

    def off(self, probe: Probe) -> float:
        """Return the relative distance of a probe to the sharpness found from a fresh start."""
        H = pb.Hessian(pb.Objective(self.model, loss, self.part(0)))
        with warnings.catch_warnings():  # of the values below the first
            warnings.simplefilter("ignore", pb.errors.UnconvergedWarning)
            true = pb.eigenvalues(H, k=4, rtol=1e-5, seed=7, max_matvecs=300, progress=False)
        self.bar = max(self.bar, float(true.errors[0] / true.values[0]))
        return abs(probe.sharpness / float(true.values[0]) - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=6000)
    given = parser.parse_args()
    for name, make in (("W2", perceptron), ("transformer", transformer)):
        Training(make, watched=True).advance(20)
        plain, watched = Training(make, watched=False), Training(make, watched=True)
        for turn in range(given.steps // SLICE):  # side by side: the machine's mood is the same
            if turn % 2:
                watched.advance(SLICE)
            with watched.clock_stopped():
                plain.advance(SLICE)
            if not turn % 2:
                watched.advance(SLICE)
        assert watched.monitor is not None
        pairs = zip(plain.model.parameters(), watched.model.parameters(), strict=True)
        equal = all(torch.equal(a, b) for a, b in pairs)
        print(
            f"{name:12}{plain.seconds:7.1f} s without, {watched.seconds:7.1f} s with "
            f"{len(watched.monitor.probes)} probes: {watched.seconds / plain.seconds - 1:+.1%} "
            f"(its own clock: {watched.monitor.schedule.share:.1%}), sharpness within "
            f"{watched.worst:.2%} (truth to {watched.bar:.0e}), "
            f"weights {'equal' if equal else 'DIFFER'}",
            flush=True,
        )


if __name__ == "__main__":
    main()
