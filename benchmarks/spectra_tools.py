"""How every tool answers the questions of the benchmark, in its own idiom.

A tool is a function without arguments that imports what it needs and returns the task; a task
gets the model and its batches and returns the answer and the products it took.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from spectra_peers import (
    curvlinops_operator,
    eigenthings_operator,
    pyhessian_operator,
    whole_passband,
)
from spectra_reference import PROBES, STEPS, DoubleBackward
from spectra_workloads import Batches, loss
from torch import nn

Task = Callable[..., dict[str, Any]]


Tool = Callable[[], Task]


TRACE_PRODUCTS = 60


def ours(k: int, *, verify: bool) -> Tool:
    def imports() -> Task:
        pb = whole_passband()

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


def curvlinops_eigsh(k: int) -> Tool:
    def imports() -> Task:
        import curvlinops  # noqa: F401
        from scipy.sparse.linalg import LinearOperator, eigsh

        def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
            H, count = curvlinops_operator(model, batches).to_scipy(), [0]

            def product(v: Any) -> Any:
                count[0] += 1
                return H @ v

            start = np.random.default_rng(seed).standard_normal(H.shape[0]).astype("float32")
            operator = LinearOperator(H.shape, matvec=product, dtype="float32")
            values = eigsh(operator, k=k, which="LM", tol=1e-4, v0=start, return_eigenvectors=False)
            return {"values": values.tolist(), "products": count[0]}

        return task

    return imports


def eigenthings(k: int, steps: int) -> Tool:
    def imports() -> Task:
        from hessian_eigenthings import lanczos

        def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
            H = eigenthings_operator(model, batches)
            found = lanczos(H, k=k, max_iter=steps, seed=seed)
            return {"values": found.eigenvalues.tolist(), "products": steps}

        return task

    return imports


def pyhessian(k: int, **options: Any) -> Tool:
    def imports() -> Task:
        import pyhessian  # noqa: F401

        def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
            torch.manual_seed(seed)
            H, count = pyhessian_operator(model, batches)
            values = H.eigenvalues(top_n=k, **options)[0]
            return {"values": values, "products": len(count)}

        return task

    return imports


def our_trace() -> Task:
    import scipy.stats  # noqa: F401

    pb = whole_passband()

    def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
        H = pb.Hessian(pb.Objective(model, loss, batches))
        found = pb.trace(H, max_matvecs=TRACE_PRODUCTS, seed=seed)
        return {"value": found.value, "bar": found.error, "products": found.matvecs}

    return task


def eigenthings_trace() -> Task:
    from hessian_eigenthings import trace

    def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
        H = eigenthings_operator(model, batches)
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
            value = estimator(curvlinops_operator(model, batches), TRACE_PRODUCTS)
            return {"value": float(value), "products": TRACE_PRODUCTS}

        return task

    return imports


def pyhessian_trace() -> Task:
    import pyhessian  # noqa: F401

    def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
        torch.manual_seed(seed)
        H, count = pyhessian_operator(model, batches)
        return {"value": float(np.mean(H.trace())), "products": len(count)}

    return task


def our_density() -> Task:
    pb = whole_passband()

    def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
        H = pb.Hessian(pb.Objective(model, loss, batches))
        found = pb.density(H, probes=PROBES, steps=STEPS, seed=seed)
        rule = {"nodes": found.nodes.tolist(), "weights": found.weights.tolist()}
        return {"products": found.matvecs, **rule}

    return task


def eigenthings_density() -> Task:
    from hessian_eigenthings import spectral_density

    def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
        H = eigenthings_operator(model, batches)
        found = spectral_density(H, num_runs=PROBES, lanczos_steps=STEPS, seed=seed)
        rule = {"nodes": found.raw_eigenvalues.tolist(), "weights": found.raw_weights.tolist()}
        return {"products": PROBES * STEPS, **rule}

    return task


def curvlinops_density() -> Task:
    from curvlinops.papyan2020traces.spectrum import fast_lanczos

    def task(model: nn.Module, batches: Batches, *, seed: int) -> dict[str, Any]:
        torch.manual_seed(seed)
        H = curvlinops_operator(model, batches)
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
        H, count = pyhessian_operator(model, batches)
        nodes, weights = H.density(iter=STEPS, n_v=PROBES)
        return {"products": len(count), "nodes": nodes, "weights": weights}

    return task


def our_product() -> Task:
    pb = whole_passband()

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
