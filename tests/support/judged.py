"""A small network with its dense Hessian."""

import torch
from torch import Tensor, nn

mse = nn.functional.mse_loss


def problem(*, hidden: int = 5) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, hidden), nn.Tanh(), nn.Linear(hidden, 2)).double()
    return model, (torch.randn(20, 3).double(), torch.randn(20, 2).double())


def dense_hessian(model: nn.Module, data: tuple[Tensor, Tensor]) -> Tensor:
    """The Hessian by automatic differentiation of another kind."""
    names = dict(model.named_parameters())
    theta = torch.cat([p.detach().reshape(-1) for p in names.values()])

    def loss(theta: Tensor) -> Tensor:
        parts = theta.split([p.numel() for p in names.values()])
        weights = {n: w.view(p.shape) for (n, p), w in zip(names.items(), parts, strict=True)}
        return mse(torch.func.functional_call(model, weights, (data[0],)), data[1])

    return torch.autograd.functional.hessian(loss, theta)  # pyright: ignore[reportReturnType]
