"""Small models, and their Hessians by torch.func."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from typing_extensions import override

mse = functional.mse_loss


class Last(nn.Module):
    """The last step of a sequence model, mapped to two numbers."""

    def __init__(self, body: nn.Module, width: int) -> None:
        super().__init__()
        self.body, self.head = body, nn.Linear(width, 2)

    @override
    def forward(self, x: Tensor) -> Tensor:
        h: Tensor | tuple[Tensor, ...] = self.body(x)
        steps: Tensor = h if isinstance(h, Tensor) else h[0]
        return self.head(steps[:, -1])


class Attention(nn.Module):
    @override
    def forward(self, x: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(x, x, x, is_causal=True)


class Checkpointed(nn.Sequential):
    @override
    def forward(self, input: Tensor) -> Tensor:
        hidden = checkpoint(lambda x: self[1](self[0](x)), input, use_reentrant=False)
        return self[2](hidden)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))[..., :2]


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def transformer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(4, 2, 5, dropout=0.0, batch_first=True)
    return Last(nn.Sequential(nn.Linear(3, 4), layer), 4)


def normalized() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.GELU(), nn.Linear(4, 2))


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (mlp, (3,)),
    "layer norm": (normalized, (3,)),
    "tied": (Tied, (3,)),
    "attention": (lambda: Last(nn.Sequential(nn.Linear(3, 4), Attention()), 4), (5, 3)),
    "transformer": (transformer, (5, 3)),
    "lstm": (lambda: Last(nn.LSTM(3, 2, batch_first=True), 2), (5, 3)),
    "checkpointed": (lambda: Checkpointed(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), (3,)),
}


def case(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    build, shape = MODELS[name]
    model = build().double().eval()
    return model, torch.randn(5, *shape, dtype=torch.float64), torch.randn(5, 2).double()
