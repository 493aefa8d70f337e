"""How every tool answers the questions of the benchmark, in its own idiom.

A tool is a function without arguments that imports what it needs and returns the task; a task
gets the model and its batches and returns the answer and the products it took.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from spectra_workloads import Batches, loss
from torch import Tensor, nn

Task = Callable[..., dict[str, Any]]
Tool = Callable[[], Task]

TRACE_PRODUCTS = 60
PROBES, STEPS = 5, 30


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


def _passband() -> Any:
    """Return the package with what it imports when it is first used."""
    import passband as pb

    for name in ("Hessian", "Objective", "eigenvalues", "trace", "density"):
        getattr(pb, name)
    return pb


def ours(k: int, *, verify: bool) -> Tool:
    def imports() -> Task:
        pb = _passband()

        def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
            H = pb.Hessian(pb.Objective(model, loss, batches))
            s = pb.eigenvalues(H, k=k, which="magnitude", seed=seed, verify=verify)
            bars = {"bars": s.errors.tolist(), "evidence": s.evidence}
            return {"values": s.values.tolist(), "products": s.matvecs, **bars}

        return task

    return imports


def eigsh(k: int) -> Tool:
    def imports() -> Task:
        import scipy.sparse.linalg  # noqa: F401

        def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
            H = DoubleBackward(model, batches)
            values = H.eigsh(k=k, tol=1e-4, seed=seed, dtype="float32")
            return {"values": values, "products": H.products}

        return task

    return imports


def _curvlinops(model: nn.Module, batches: Batches) -> Any:
    from curvlinops import HessianLinearOperator

    flat = [(x, y.flatten()) for x, y in batches]
    return HessianLinearOperator(
        model,
        nn.CrossEntropyLoss(),
        list(model.parameters()),
        flat,
        check_deterministic=False,
        batch_size_fn=len,
    )


def curvlinops_eigsh(k: int) -> Tool:
    def imports() -> Task:
        import curvlinops  # noqa: F401
        from scipy.sparse.linalg import LinearOperator, eigsh

        def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
            H, count = _curvlinops(model, batches).to_scipy(), [0]

            def product(v: Any) -> Any:
                count[0] += 1
                return H @ v

            start = np.random.default_rng(seed).standard_normal(H.shape[0]).astype("float32")
            operator = LinearOperator(H.shape, matvec=product, dtype="float32")
            values = eigsh(operator, k=k, which="LM", tol=1e-4, v0=start, return_eigenvectors=False)
            return {"values": values.tolist(), "products": count[0]}

        return task

    return imports


def _eigenthings(model: nn.Module, batches: Batches) -> Any:
    from hessian_eigenthings import HessianOperator, supervised_loss

    return HessianOperator(model, batches, supervised_loss(loss))


def eigenthings(k: int, steps: int) -> Tool:
    def imports() -> Task:
        from hessian_eigenthings import lanczos

        def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
            H = _eigenthings(model, batches)
            found = lanczos(H, k=k, max_iter=steps, seed=seed)
            return {"values": found.eigenvalues.tolist(), "products": steps}

        return task

    return imports


def _pyhessian(model: nn.Module, batches: Batches) -> tuple[Any, list[int]]:
    """Return their object and a list whose length is the number of products."""
    module = sys.modules["pyhessian.hessian"]  # in their package the class hides its module

    count: list[int] = []
    single, several = module.hessian_vector_product, module.hessian.dataloader_hv_product

    def counted(*arguments: Any) -> Any:
        count.append(1)
        return single(*arguments)

    def counted_too(*arguments: Any) -> Any:
        count.append(1)
        return several(*arguments)

    module.hessian_vector_product = counted
    module.hessian.dataloader_hv_product = counted_too
    data = {"data": batches[0]} if len(batches) == 1 else {"dataloader": batches}
    return module.hessian(model, loss, **data, cuda=False), count


def pyhessian(k: int, **options: Any) -> Tool:
    def imports() -> Task:
        import pyhessian  # noqa: F401

        def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
            torch.manual_seed(seed)
            H, count = _pyhessian(model, batches)
            values = H.eigenvalues(top_n=k, **options)[0]
            return {"values": values, "products": len(count)}

        return task

    return imports


def our_trace() -> Task:
    import scipy.stats  # noqa: F401

    pb = _passband()

    def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
        H = pb.Hessian(pb.Objective(model, loss, batches))
        found = pb.trace(H, max_matvecs=TRACE_PRODUCTS, seed=seed)
        return {"value": found.value, "bar": found.error, "products": found.matvecs}

    return task


def eigenthings_trace() -> Task:
    from hessian_eigenthings import trace

    def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
        H = _eigenthings(model, batches)
        return {
            "value": trace(H, num_matvecs=TRACE_PRODUCTS, seed=seed).estimate,
            "products": TRACE_PRODUCTS,
        }

    return task


def curvlinops_trace(kind: str) -> Tool:
    def imports() -> Task:
        import curvlinops

        estimator = getattr(curvlinops, kind)

        def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
            torch.manual_seed(seed)
            value = estimator(_curvlinops(model, batches), TRACE_PRODUCTS)
            return {"value": float(value), "products": TRACE_PRODUCTS}

        return task

    return imports


def pyhessian_trace() -> Task:
    import pyhessian  # noqa: F401

    def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
        torch.manual_seed(seed)
        H, count = _pyhessian(model, batches)
        return {"value": float(np.mean(H.trace())), "products": len(count)}

    return task


def our_density() -> Task:
    pb = _passband()

    def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
        H = pb.Hessian(pb.Objective(model, loss, batches))
        found = pb.density(H, probes=PROBES, steps=STEPS, seed=seed)
        rule = {"nodes": found.nodes.tolist(), "weights": found.weights.tolist()}
        return {"products": found.matvecs, **rule}

    return task


def eigenthings_density() -> Task:
    from hessian_eigenthings import spectral_density

    def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
        H = _eigenthings(model, batches)
        found = spectral_density(H, num_runs=PROBES, lanczos_steps=STEPS, seed=seed)
        rule = {"nodes": found.raw_eigenvalues.tolist(), "weights": found.raw_weights.tolist()}
        return {"products": PROBES * STEPS, **rule}

    return task


def curvlinops_density() -> Task:
    from curvlinops.papyan2020traces.spectrum import fast_lanczos

    def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
        torch.manual_seed(seed)
        H = _curvlinops(model, batches)
        pairs = [fast_lanczos(H, STEPS) for _ in range(PROBES)]
        rule = {
            "nodes": [torch.as_tensor(a).tolist() for a, _ in pairs],
            "weights": [(torch.as_tensor(v)[0] ** 2).tolist() for _, v in pairs],
        }
        return {"products": PROBES * STEPS, **rule}

    return task


def pyhessian_density() -> Task:
    import pyhessian  # noqa: F401

    def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
        torch.manual_seed(seed)
        H, count = _pyhessian(model, batches)
        nodes, weights = H.density(iter=STEPS, n_v=PROBES)
        return {"products": len(count), "nodes": nodes, "weights": weights}

    return task


def our_product() -> Task:
    pb = _passband()

    def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
        objective = pb.Objective(model, loss, batches)
        v = torch.randn(objective.size, generator=torch.Generator().manual_seed(seed))
        parameters = list(model.parameters())

        def gradient() -> None:
            for x, y in batches:
                torch.autograd.grad(loss(model(x), y), parameters)

        cached, lean = pb.Hessian(objective), pb.Hessian(objective, memory=0)
        jobs = {"": gradient, "cached": lambda: cached @ v, "uncached": lambda: lean @ v}
        times: dict[str, list[float]] = {name: [] for name in jobs}
        for _ in range(16):  # in turns, so that other work on the machine slows all alike
            for name, job in jobs.items():
                began = time.process_time()
                job()
                times[name].append(time.process_time() - began)
        median = {name: float(np.median(t[1:])) for name, t in times.items()}
        ratios = {name: median[name] / median[""] for name in ("cached", "uncached")}
        return {"products": 32, "gradients": ratios}

    return task


def _top(k: int, steps: list[int], **tight: Any) -> dict[str, Tool]:
    return {
        "passband": ours(k, verify=False),
        "passband verified": ours(k, verify=True),
        "double backward + eigsh": eigsh(k),
        "curvlinops + eigsh": curvlinops_eigsh(k),
        **{f"hessian-eigenthings, {m} steps": eigenthings(k, m) for m in steps},
        "PyHessian": pyhessian(k),
        **({"PyHessian, tol 1e-6": pyhessian(k, **tight)} if tight else {}),
    }


TOOLS: dict[str, dict[str, Tool]] = {
    "top3": _top(3, [20, 30]),
    "top10": _top(10, [40]),
    "trace": {
        "passband": our_trace,
        "hessian-eigenthings": eigenthings_trace,
        "curvlinops, Hutch++": curvlinops_trace("hutchpp_trace"),
        "curvlinops, XTrace": curvlinops_trace("xtrace"),
        "PyHessian": pyhessian_trace,
    },
    "density": {
        "passband": our_density,
        "hessian-eigenthings": eigenthings_density,
        "curvlinops": curvlinops_density,
        "PyHessian": pyhessian_density,
    },
    "product": {"passband": our_product},
}
