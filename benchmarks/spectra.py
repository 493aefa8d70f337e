"""Hessian spectra: products, CPU seconds, memory and achieved error, ours and others'.

    python benchmarks/spectra.py [--questions top3 ...] [--workloads W1 ...] [--tools passband ...]

Questions: the ``top3`` and ``top10`` eigenvalues by magnitude to 1e-4, the ``trace`` and the
``density`` at the same number of products, and the cost of one ``product`` in gradients. Every
(tool, workload, seed) runs alone in a fresh process on one thread, after its imports. Errors
are those against a float64 reference by double backward and ARPACK, computed once and stored
in ``benchmarks/results``, as are the results. Needs ``pip install -e '.[bench]'``.
"""

import argparse
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

import torch
from spectra_reference import reference
from spectra_tools import TOOLS
from spectra_workloads import WORKLOADS, load
from torch import Tensor

torch.set_num_threads(1)

RESULTS = Path(__file__).parent / "results"
REFERENCES = RESULTS / "spectra-references.json"
QUESTIONS = ("top3", "top10", "trace", "density", "product")


class Memory:
    """Peak resident memory beyond what there was at the start; NaN where nobody can tell."""

    def __init__(self) -> None:
        self._before = self._read("VmRSS")
        try:
            Path("/proc/self/clear_refs").write_text("5")  # forget the earlier peak
        except OSError:
            self._before = float("nan")

    def megabytes(self) -> float:
        return (self._read("VmHWM") - self._before) / 1024

    @staticmethod
    def _read(field: str) -> float:
        try:
            lines = Path("/proc/self/status").read_text().splitlines()
            return next(float(line.split()[1]) for line in lines if line.startswith(field))
        except (OSError, StopIteration):
            return float("nan")


def measure(question: str, tool: str, workload: str, folder: Path, seed: int) -> dict[str, Any]:
    """Run one tool on one workload in this process."""
    if tool == "reference":
        return reference(question, *load(workload, folder, torch.float64))
    task: Callable[..., dict[str, Any]] = TOOLS[question][tool]()  # imports
    model, batches = load(workload, folder, torch.float32)
    memory, cpu, wall = Memory(), time.process_time(), time.perf_counter()
    row = task(model, batches, seed=seed)
    row |= {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    return row | {"megabytes": memory.megabytes()}


def alone(question: str, tool: str, workload: str, folder: Path, seed: int) -> dict[str, Any]:
    """Run one measurement in a fresh process."""
    command = [sys.executable, __file__, "--one", question, tool, workload, str(folder), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["killed"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def truth(question: str, workload: str, folder: Path) -> dict[str, Any]:
    """Return the float64 reference of these weights, from disk if it is there."""
    known = json.loads(REFERENCES.read_text()) if REFERENCES.exists() else {}
    model, _ = load(workload, folder, torch.float64)
    weights = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
    fingerprint = [float(weights.norm()), float(weights.abs().sum())]
    kind = "eigenvalues" if question in {"top3", "top10"} else question
    key = f"{workload} {kind}"
    if key in known and _alike(known[key]["fingerprint"], fingerprint):
        return known[key]
    found = alone(question, "reference", workload, folder, 0)
    if "failed" in found:
        raise SystemExit(f"the reference of {key} failed: {found['failed']}")
    known[key] = found | {"fingerprint": fingerprint}
    RESULTS.mkdir(exist_ok=True)
    REFERENCES.write_text(json.dumps(known, indent=1))
    return known[key]


def _alike(a: list[float], b: list[float]) -> bool:
    return all(abs(x - y) <= 1e-9 * abs(y) for x, y in zip(a, b, strict=True))


def error(question: str, row: dict[str, Any], exact: dict[str, Any]) -> dict[str, Any]:
    """Return the achieved error, and how well it was reported."""
    if question in {"top3", "top10"}:
        values = sorted(row["values"], key=abs, reverse=True)
        pairs = list(zip(values, exact["values"], strict=False))
        errors = [abs(v - t) for v, t in pairs]
        found: dict[str, Any] = {
            "error": max(e / abs(t) for e, (_, t) in zip(errors, pairs, strict=True))
        }
        if "bars" in row:
            ratios = [b / e for b, e in zip(row["bars"], errors, strict=True) if e]
            found["bar_over_error"] = min(ratios)
        return found
    if question == "trace":
        off = abs(row["value"] - exact["value"])
        bar = {"bar_over_error": row["bar"] / off} if "bar" in row else {}
        return {"error": off / abs(exact["value"]), **bar}
    if question == "density":
        x = torch.tensor(exact["x"], dtype=torch.float64)
        smooth = smoothed(x, row.pop("nodes"), row.pop("weights"), exact["width"])
        wanted = smoothed(x, exact["nodes"], exact["weights"], exact["width"])
        return {"error": float(torch.trapezoid((smooth - wanted).abs(), x))}
    return {}


def smoothed(x: Tensor, nodes: list[Any], weights: list[Any], width: float) -> Tensor:
    a, w = (torch.tensor(part, dtype=torch.float64) for part in (nodes, weights))
    bumps = torch.exp(-(((x[:, None, None] - a) / width) ** 2) / 2) / (
        width * (2 * torch.pi) ** 0.5
    )
    return (bumps * w).sum(-1).mean(1)


def compare(question: str, workload: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    folder: Path = options.folder
    load(workload, folder, torch.float64)  # train once
    exact = truth(question, workload, folder) if question != "product" else {}
    print(f"\n{workload}, {question}")
    print(
        f"{'tool':28}{'seed':>5}{'products':>10}{'CPU s':>8}{'MB':>7}{'error':>10}{'bar/error':>11}"
    )
    rows: list[dict[str, Any]] = []
    for tool in TOOLS[question]:
        if options.tools and tool not in options.tools:
            continue
        for seed in range(options.seeds if tool == "passband" else options.peer_seeds):
            row = {"question": question, "workload": workload, "tool": tool, "seed": seed}
            row |= alone(question, tool, workload, folder, seed)
            rows.append(row)
            if "failed" in row:
                print(f"{tool:28}{seed:5}  failed: {row['failed'][:90]}")
                continue
            row |= error(question, row, exact)
            print(line(row), flush=True)
    return rows


def line(row: dict[str, Any]) -> str:
    bar = f"{row['bar_over_error']:11.1f}" if "bar_over_error" in row else ""
    off = f"{row['error']:10.1e}" if "error" in row else ""
    more = "  " + ", ".join(f"{k} {v:.2f}" for k, v in row.get("gradients", {}).items())
    return (
        f"{row['tool']:28}{row['seed']:5}{row['products']:10}{row['cpu']:8.2f}"
        f"{row['megabytes']:7.0f}{off}{bar}{more}".rstrip()
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="passband bench spectra", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--questions", nargs="+", default=["top3"], choices=QUESTIONS)
    parser.add_argument("--workloads", nargs="+", default=["W1"], choices=sorted(WORKLOADS))
    parser.add_argument("--tools", nargs="+", help="all if not given")
    parser.add_argument("--seeds", type=int, default=3, help="random starts of passband")
    parser.add_argument("--peer-seeds", type=int, default=1, help="of every other tool")
    default = Path(tempfile.gettempdir()) / "passband-benchmarks"
    parser.add_argument("--folder", type=Path, default=default, help="keeps the trained weights")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        question, tool, workload, folder, seed = options.one
        print(json.dumps(measure(question, tool, workload, Path(folder), int(seed))))
        return
    for workload in options.workloads:
        for question in options.questions:
            if question in {"trace", "density", "top10"} and workload != "W1":
                continue  # asked of the first workload only
            store(compare(question, workload, options))


def store(rows: list[dict[str, Any]]) -> None:
    """Replace earlier rows of the same measurements."""
    file = RESULTS / f"spectra-{platform.node() or 'here'}.json"
    RESULTS.mkdir(exist_ok=True)
    old = json.loads(file.read_text())["rows"] if file.exists() else []
    keys = ("question", "workload", "tool")
    new = {tuple(row[k] for k in keys) for row in rows}
    kept = [row for row in old if tuple(row.get(k) for k in keys) not in new and "question" in row]
    machine = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
    file.write_text(json.dumps({**machine, "rows": kept + rows}, indent=1))
    print(f"stored in {file}")


if __name__ == "__main__":
    main()
