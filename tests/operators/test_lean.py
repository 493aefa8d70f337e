"""Products without kept graphs: the same numbers, fewer multiplications."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode
from typing_extensions import override

from passband.errors import NonFiniteError
from passband.operators import Hessian
from passband.problem import Objective


class Tied(nn.Module):
    """The words' embedding is the last layer's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.inner = nn.Embedding(6, 5), nn.Linear(5, 5)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(self.inner(self.words(x)).tanh(), self.words.weight)


class Twice(nn.Module):
    """One layer used twice, once changed in place; keywords; a weight used by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.other = nn.Linear(4, 4), nn.Linear(4, 4)

    @override
    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(self.layer(x).sin())
        x = functional.linear(input=x, weight=self.other.weight, bias=self.other.bias)
        x.mul_(0.5)
        return torch.cat([x.tanh(), x * self.layer.bias], 1)


class Hidden(torch.autograd.Function):
    """Uses a weight where no function mode looks."""

    @staticmethod
    @override
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return x @ w.T

    @staticmethod
    @override
    def backward(ctx: torch.autograd.function.FunctionCtx, *slopes: Tensor) -> tuple[Tensor, ...]:
        x, w = ctx.saved_tensors  # type: ignore[attr-defined]
        return slopes[0] @ w, slopes[0].T @ x


class Secret(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.last = nn.Linear(4, 4), nn.Linear(4, 2)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.last(Hidden.apply(self.layer(x).tanh(), self.layer.weight).sin())


class Mapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return torch.func.vmap(self.layer)(x).tanh()


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 5), nn.Linear(5, 2)

    @override
    def forward(self, x: Tensor) -> Tensor:
        inner = checkpoint(lambda x: self.first(x).tanh(), x, use_reentrant=False)
        return self.last(inner).sin()


def frozen() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 2))
    model[2].weight.requires_grad_(False)
    model[4].bias.requires_grad_(False)
    return model


MODELS: dict[str, Callable[[], nn.Module]] = {
    "perceptron": lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)),
    "no biases": lambda: nn.Sequential(nn.Linear(4, 6, bias=False), nn.GELU(), nn.Linear(6, 3)),
    "in place": lambda: nn.Sequential(nn.Linear(4, 6), nn.SiLU(inplace=True), nn.Linear(6, 3)),
    "linear": lambda: nn.Linear(4, 3),
    "norms": lambda: nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, 3)),
    "weight norm": lambda: nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(4, 6)), nn.Tanh(), nn.Linear(6, 3)
    ),
    "strided convolutions": lambda: nn.Sequential(
        nn.Unflatten(1, (2, 2)),
        nn.Conv1d(2, 4, 2, padding=1, stride=2, groups=2),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(8, 2),
    ),
    "pictures": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 2, 2)),
        nn.Conv2d(1, 3, 3, padding=1, padding_mode="circular"),
        nn.Softplus(),
        nn.Conv2d(3, 2, 1, bias=False),
        nn.Flatten(),
        nn.Linear(8, 2),
    ),
    "frozen": frozen,
    "twice": Twice,
    "hidden use": Secret,
    "vmap": Mapped,
    "checkpoint": Checkpointed,
}


def compare(model: nn.Module, loss: Callable[..., Tensor], data: object) -> Hessian:
    objective = Objective(model.double(), loss, data)
    kept, lean = Hessian(objective), Hessian(objective, memory=0)
    for v in torch.randn(3, objective.size, dtype=torch.float64):
        assert_close(lean @ v, kept @ v, rtol=1e-11, atol=1e-12)
    assert lean.kept_batches == 0
    return lean


@pytest.mark.parametrize("name", MODELS)
def test_is_the_hessian(name: str) -> None:
    torch.manual_seed(0)
    model, x = MODELS[name](), torch.randn(7, 4).double()
    y = torch.randn_like(model.double()(x))
    batches = [(x[:4], y[:4]), (x[4:], y[4:])]

    compare(model, lambda output, y: (output - y).pow(4).mean(), batches)


def test_tied_weights() -> None:
    torch.manual_seed(0)
    words = torch.randint(0, 6, (9,))

    compare(Tied(), functional.cross_entropy, (words, words.roll(1)))


def test_attention() -> None:
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.3, batch_first=True)
    x = torch.randn(3, 4, 8).double()

    compare(model, functional.mse_loss, (x, x.roll(1, 0)))


def test_mixed_precision_differs_by_its_rounding() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)), torch.randn(7, 4)

    def loss(model: nn.Module, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return model(x).float().pow(2).mean()

    objective = Objective(model, loss, [x])
    v = torch.randn(objective.size)
    kept = Hessian(objective) @ v

    assert (Hessian(objective, memory=0) @ v - kept).norm() <= 2e-2 * kept.norm()


def test_forms_no_gradient_of_a_weight() -> None:
    """A first layer takes 3 products of its size where the usual way takes 4, others 8 of 9."""
    model = nn.Sequential(
        nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64)
    )
    x = torch.randn(32, 64)
    H = Hessian(Objective(model, functional.mse_loss, (x, x)), memory=0)
    v = torch.randn(H.size)
    _ = H @ v  # the first product measures what keeping would take

    with FlopCounterMode(display=False) as counter:
        _ = H @ v

    assert counter.get_total_flops() == (3 + 8 + 8) * 2 * 32 * 64 * 64


def test_what_is_not_finite_is_named() -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 1, bias=False)

        @override
        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x).abs().sqrt()

    model = Root()
    good, bad = torch.ones(1, 2), torch.tensor([[0.0, 0.0]])
    objective = Objective(model, functional.mse_loss, [(good, good[:, :1]), (bad, bad[:, :1])])

    with pytest.raises(NonFiniteError, match="batch 1"):
        _ = Hessian(objective, memory=0) @ torch.ones(2)
