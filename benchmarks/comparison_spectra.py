"""Questions about eigenvalues of the Hessian, put to us and to our peers, each in its own idiom.

A tool takes a model, its batches and how many eigenvalues; it returns them and what it says of
their accuracy.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from typing_extensions import override

import passband as pb

MSE = nn.functional.mse_loss
Batches = list[tuple[Tensor, Tensor]]
Eigenvalues = Callable[[nn.Module, Batches, int], tuple[list[float], str]]


def ours(model: nn.Module, batches: Batches, k: int) -> tuple[list[float], str]:
    found = pb.eigenvalues(pb.Hessian(pb.Objective(model, MSE, batches)), k=k, progress=False)
    errors = ", ".join(f"{e:.0e}" for e in found.errors.tolist())
    return found.values.tolist(), f"± {errors}; verified {found.verified}"


def curvlinops(model: nn.Module, batches: Batches, k: int) -> tuple[list[float], str]:
    from curvlinops import HessianLinearOperator
    from scipy.sparse.linalg import eigsh

    params = list(model.parameters())
    H = HessianLinearOperator(model, nn.MSELoss(), params, batches, check_deterministic=False)
    solve: Any = eigsh  # scipy's stubs want a whole number as tolerance
    start = torch.randn(H.shape[0]).numpy()
    values = solve(H.to_scipy(), k=k, which="LA", tol=1e-4, v0=start, return_eigenvectors=False)
    return sorted(values.tolist(), reverse=True), "values alone"


def eigenthings(model: nn.Module, batches: Batches, k: int) -> tuple[list[float], str]:
    from hessian_eigenthings import HessianOperator, lanczos, supervised_loss

    H = HessianOperator(model, batches, supervised_loss(MSE))
    found = lanczos(H, k=k, max_iter=min(20, H.size), which="LA", seed=0)
    residuals = ", ".join(f"{r:.0e}" for r in found.residuals.tolist())
    return found.eigenvalues.tolist(), f"± {residuals}; converged {bool(found.converged.all())}"


def pyhessian(model: nn.Module, batches: Batches, k: int) -> tuple[list[float], str]:
    values, _ = of_pyhessian(model, batches).eigenvalues(top_n=k, tol=1e-6, maxIter=1000)
    return values, "values alone"


def of_pyhessian(model: nn.Module, batches: Batches) -> Any:
    from pyhessian import hessian

    given = {"data": batches[0]} if len(batches) == 1 else {"dataloader": batches}
    return hessian(model, MSE, cuda=False, **given)


def network(*, wide: int = 8) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, wide), nn.Tanh(), nn.Linear(wide, 2))


def batches(*sizes: int) -> Batches:
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(sum(sizes), 4, generator=draw), torch.randn(sum(sizes), 2, generator=draw)
    x[-sizes[-1] :] *= 3  # the last batch is another one
    return list(zip(x.split(list(sizes)), y.split(list(sizes)), strict=True))


class Attention(nn.Module):
    """One layer of ``scaled_dot_product_attention``."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.project, self.out = nn.Linear(4, 12), nn.Linear(4, 2)

    @override
    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.project(x.view(-1, 1, 4, 4)).chunk(3, -1)
        attended = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.out(attended.mean((1, 2)))


def repeated(tool: Eigenvalues) -> str:
    """Three largest of 10, 10, 8, 6, 5, 4.5, 4.05, ... in double and in single precision."""
    spectrum = torch.tensor([10.0, 10.0, 8.0, 6.0, *(5 * 0.9**i for i in range(36))]).double()
    said = list[str]()
    for kind in (torch.float64, torch.float32):
        x, y = (20 * spectrum).sqrt().diag().to(kind), torch.zeros(40, 1, dtype=kind)
        found, says = tool(nn.Linear(40, 1, bias=False, dtype=kind), [(x, y)], 3)
        said.append(f"{', '.join(f'{value:.4g}' for value in found)}; {says}")
    return "\n                        ".join(said)


def uneven(tool: Eigenvalues) -> str:
    """Error of the largest eigenvalue with batches of 32 and 8."""
    exact = pb.Hessian(pb.Objective(network(), MSE, batches(32, 8))).dense().double()
    found, says = tool(network(), batches(32, 8), 1)
    return f"{abs(found[0] / float(torch.linalg.eigvalsh(exact)[-1]) - 1):.1e}; {says}"


def attention(tool: Eigenvalues) -> str:
    """The largest eigenvalue of a model with SDPA, as it is, on a CPU."""
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(16, 16, generator=draw), torch.randn(16, 2, generator=draw)
    return f"{tool(Attention(), [(x, y)], 1)[0][0]:.4g}"


def attention_by_hand(tool: Eigenvalues) -> str:
    """The same inside torch's ``sdpa_kernel(SDPBackend.MATH)``."""
    with sdpa_kernel(SDPBackend.MATH):
        return attention(tool)


def forwards(tool: Eigenvalues) -> str:
    """Forward passes for the three largest, all samples in one batch, and in two."""
    counts = list[str]()
    for data in (batches(40), batches(32, 8)):
        model, count = network(), list[int]()
        model.register_forward_hook(lambda *_, count=count: count.append(1))
        tool(model, data, 3)
        counts.append(str(len(count)))
    return ", ".join(counts)


def traces(tool: Eigenvalues) -> str:
    """What a measurement leaves behind."""
    model = network().train()
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    before, random = copy.deepcopy(model), torch.get_rng_state()
    tool(model, batches(32, 8), 1)
    pairs = list(zip(model.parameters(), before.parameters(), strict=True))
    changed = {
        "weights": not all(torch.equal(p, q) for p, q in pairs),
        "gradients": not all(p.grad is not None and bool((p.grad == 1).all()) for p, _ in pairs),
        "mode": not model.training,
        "random numbers": not torch.equal(random, torch.get_rng_state()),
    }
    return "changed: " + (", ".join(name for name, is_so in changed.items() if is_so) or "nothing")
