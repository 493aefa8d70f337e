"""Independent answers to the questions of the benchmark: double backward, and what is exact."""

from typing import Any

import numpy as np
import torch
from spectra_workloads import Batches, loss
from torch import Tensor, nn

PROBES, STEPS = 5, 30  # of a density


class DoubleBackward:
    """What anyone would write: Hessian products by differentiating the gradient again."""

    def __init__(self, model: nn.Module, batches: Batches) -> None:
        self.model, self.batches, self.products = model, batches, 0
        self.parameters = list(model.parameters())
        self.size = sum(p.numel() for p in self.parameters)

    def __call__(self, v: Any) -> Any:
        self.products += 1
        dtype = self.parameters[0].dtype
        vector = torch.from_numpy(np.ascontiguousarray(v).reshape(-1)).to(dtype)
        parts = vector.split([p.numel() for p in self.parameters])
        shaped = [q.view_as(p) for p, q in zip(self.parameters, parts, strict=True)]
        total, samples = torch.zeros_like(vector), sum(len(x) for x, _ in self.batches)
        for x, y in self.batches:
            value = loss(self.model(x), y)
            gradient = torch.autograd.grad(value, self.parameters, create_graph=True)
            product = torch.autograd.grad(gradient, self.parameters, shaped)
            total += torch.cat([h.reshape(-1) for h in product]) * (len(x) / samples)
        return total.numpy()

    def eigsh(self, *, k: int, tol: float, seed: int, dtype: str) -> list[float]:
        from scipy.sparse.linalg import LinearOperator, eigsh

        operator = LinearOperator((self.size, self.size), matvec=self, dtype=dtype)
        start = np.random.default_rng(seed).standard_normal(self.size).astype(dtype)
        values = eigsh(operator, k=k, which="LM", tol=tol, v0=start, return_eigenvectors=False)
        return sorted(values.tolist(), key=abs, reverse=True)

    def lanczos(self, *, steps: int, seed: int) -> tuple[Any, Any]:
        """Return Gauss nodes and weights of one random vector, as in any textbook."""
        rows = np.zeros((steps, self.size))
        start = np.random.default_rng(seed).standard_normal(self.size)
        rows[0] = start / np.linalg.norm(start)
        matrix = np.zeros((steps, steps))
        for j in range(steps):
            w = np.asarray(self(rows[j]), dtype=np.float64)
            for _ in range(2):
                c = rows[: j + 1] @ w
                w = w - c @ rows[: j + 1]
                matrix[: j + 1, j] += c
            if j + 1 < steps:
                matrix[j + 1, j] = np.linalg.norm(w)
                rows[j + 1] = w / matrix[j + 1, j]
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        return values, vectors[0] ** 2


def reference(question: str, model: nn.Module, batches: Batches) -> dict[str, Any]:
    """Return the truth, in float64, by other means than ours."""
    if question == "trace":
        return {"value": exact_trace(model, batches)}
    H = DoubleBackward(model, batches)
    if question == "density":
        rules = [H.lanczos(steps=40, seed=seed) for seed in range(1000, 1020)]
        nodes, weights = (np.stack(part) for part in zip(*rules, strict=True))
        width = float(nodes.max() - nodes.min()) / STEPS
        x = np.linspace(-4 * width, float(nodes.max()) + 4 * width, 400)
        rule = {"nodes": nodes.tolist(), "weights": weights.tolist(), "products": H.products}
        return {"x": x.tolist(), "width": width, **rule}
    k = 10 if H.size < 150_000 else 3
    return {"values": H.eigsh(k=k, tol=1e-7, seed=0, dtype="float64"), "products": H.products}


def exact_trace(model: nn.Module, batches: Batches) -> float:
    """Return the trace of the Hessian of a ReLU network under cross-entropy.

    Its outputs are linear in every single parameter, so the trace is that of the Gauss–Newton
    matrix, ``mean Σ_c p_c ‖∇f_c‖² − ‖Σ_c p_c ∇f_c‖²``. In a linear layer the squared norm of a
    gradient is that of what comes back times that of what came in, and one for the bias.
    """
    total, samples = 0.0, 0
    layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
    for x, _ in batches:
        seen: list[tuple[Tensor, Tensor]] = []
        hooks = [
            m.register_forward_hook(lambda _, i, o, seen=seen: seen.append((i[0], o)))
            for m in layers
        ]
        outputs = model(x)
        for hook in hooks:
            hook.remove()
        p = outputs.softmax(-1).detach()

        def squares(weights: Tensor, outputs: Tensor = outputs, seen: Any = seen) -> Tensor:
            (back) = torch.autograd.grad(
                (outputs * weights).sum(), [o for _, o in seen], retain_graph=True
            )
            came = [(a.detach() ** 2).sum(1) + 1 for a, _ in seen]
            return sum(
                ((d**2).sum(1) * c for d, c in zip(back, came, strict=True)), torch.zeros(())
            )

        each = -squares(p)
        for c in range(p.shape[1]):
            unit = torch.zeros_like(p)
            unit[:, c] = 1
            each = each + p[:, c] * squares(unit)
        total, samples = total + float(each.sum()), samples + len(x)
    return total / samples
