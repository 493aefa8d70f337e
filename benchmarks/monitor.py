"""What a monitor costs: CPU seconds of training with and without, at the default budget.

Two networks: W2, a perceptron 784-1024-1024-10, and a small transformer, both on random data. The
trajectories are compared bit for bit. The probe set is one batch, the largest eigenvalue is
found to 1 %; the first probe waits until it fits into the budget.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

import passband as pb

torch.set_num_threads(1)


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


def train(
    make: Callable[[], tuple[nn.Module, Tensor, Tensor]], steps: int, *, watched: bool
) -> tuple[float, list[Tensor], int]:
    model, x, y = make()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    batch = len(x) // 8
    began = time.process_time()
    monitor = None
    if watched:
        probe_set = (x[:batch], y[:batch])
        monitor = pb.Monitor(model, loss, probe_set, optimizer, on_event="silent").__enter__()
    for step in range(steps):
        at = step % 8 * batch
        optimizer.zero_grad()
        loss(model(x[at : at + batch]), y[at : at + batch]).backward()
        optimizer.step()
        if monitor is not None:
            monitor.step()
    spent = time.process_time() - began
    return spent, [p.detach() for p in model.parameters()], len(monitor.probes) if monitor else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2500)
    given = parser.parse_args()
    for name, make in (("W2", perceptron), ("transformer", transformer)):
        train(make, 20, watched=True)
        plain, weights, _ = train(make, given.steps, watched=False)
        spent, same, probes = train(make, given.steps, watched=True)
        equal = all(torch.equal(a, b) for a, b in zip(weights, same, strict=True))
        print(
            f"{name:12} {plain:6.1f} s without, {spent:6.1f} s with {probes} probes: "
            f"+{100 * (spent / plain - 1):.1f} %, weights {'equal' if equal else 'DIFFER'}"
        )


if __name__ == "__main__":
    main()
