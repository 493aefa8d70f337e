"""Networks of the studies that are more than a chain of layers."""

import math

import torch
from torch import Tensor, nn
from typing_extensions import override

CHANNELS = 16
"""Of the first layer of a wide residual network."""


class Residual(nn.Module):
    """Two convolutions, each after a ReLU, added to their input."""

    first: nn.Conv2d
    second: nn.Conv2d
    shortcut: nn.Identity | nn.Conv2d

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)

    @override
    def forward(self, x: Tensor) -> Tensor:
        before = torch.relu(x)
        y = self.second(torch.relu(self.first(before)))
        return y + (x if isinstance(self.shortcut, nn.Identity) else self.shortcut(before))


def wide_resnet(
    *, depth: int = 16, widen: float = 8, side: int = 32, classes: int = 10, seed: int = 0
) -> nn.Sequential:
    """Return a wide residual network without batch norm, for rows of ``3 · side²`` pixels.

    Convolutions start with He's normal weights; the last one of each block is divided by the
    root of the number of blocks, without which the outputs of a network without batch norm
    grow with depth.

    Args:
        depth: Layers, ``6 n + 4`` for ``n`` blocks in each of three groups.
        widen: Multiplies the 16, 32 and 64 channels of the groups.
        side: Pixels a side.
        classes: Outputs.
        seed: Seeds the weights.

    Raises:
        ValueError: ``depth`` is not ``6 n + 4``.

    References:
        Zagoruyko, Komodakis, *Wide Residual Networks*, arXiv 1605.07146.
    """
    blocks, rest = divmod(depth - 4, 6)
    if rest or blocks < 1:
        raise ValueError(f"`depth` must be 10, 16, 22, …: 6 n + 4; got {depth}.")
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        layers: list[nn.Module] = [nn.Conv2d(3, CHANNELS, 3, padding=1)]
        inputs = CHANNELS
        for group in range(3):
            outputs = max(round(CHANNELS * 2**group * widen), 1)
            for block in range(blocks):
                layers.append(Residual(inputs, outputs, 2 if group and not block else 1))
                inputs = outputs
        head = [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes)]
        model = nn.Sequential(nn.Unflatten(1, (3, side, side)), *layers, *head)
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                nn.init.zeros_(module.bias)  # pyright: ignore[reportArgumentType]
        with torch.no_grad():
            for module in model.modules():
                if isinstance(module, Residual):
                    module.second.weight.div_(math.sqrt(3 * blocks))
    return model
