"""What stands in the cells of ``docs/comparison.md``: small facts about us and installed peers.

Each check is one question, put to passband and to those of curvlinops, hessian-eigenthings,
PyHessian and pytorch-optimizer that are there. ``--sam FILE`` adds davda54/sam, which is one file.
One line an answer, a minute in all; what a tool raises is its answer.
"""

import argparse
import copy
import importlib.metadata
import importlib.util
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import comparison_optimizers as optimizers
import comparison_spectra as spectra
import torch
from comparison_spectra import MSE, batches, network
from torch import nn

import passband as pb
from passband.transients import kreiss

TOOLS: dict[str, tuple[str, spectra.Eigenvalues]] = {
    "passband": ("passband", spectra.ours),
    "curvlinops": ("curvlinops-for-pytorch", spectra.curvlinops),
    "hessian_eigenthings": ("hessian-eigenthings", spectra.eigenthings),
    "pyhessian": ("pyhessian", spectra.pyhessian),
}
OF_SPECTRA = ("repeated", "uneven", "attention", "attention_by_hand", "forwards", "traces")
OF_OPTIMIZERS = (
    *("one_call", "resumed", "failed", "scaled", "statistics", "statistics_by_hand", "sparse"),
    "held",
)


def answered(check: Callable[[Any], str], tool: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        try:
            return check(tool)
        except Exception as error:
            text = str(error).strip() or "without a word"
            return f"{type(error).__name__}: {text.splitlines()[0][:90]}"


def ask(module: ModuleType, checks: tuple[str, ...], tools: Mapping[str, Any]) -> None:
    for name in checks:
        check = getattr(module, name)
        print(f"\n{name}: {check.__doc__}")
        for tool, means in tools.items():
            print(f"  {tool:22}{answered(check, means)}")


def climbers(sam: Path | None) -> Iterator[tuple[str, optimizers.Make]]:
    yield "passband", optimizers.sharpness_aware
    if importlib.util.find_spec("pytorch_optimizer") is not None:
        yield "pytorch-optimizer", optimizers.of(importlib.import_module("pytorch_optimizer").SAM)
    if sam is not None:
        spec = importlib.util.spec_from_file_location("davda54_sam", sam)
        if spec is None or spec.loader is None:
            raise SystemExit(f"`--sam` must be a Python file; got {sam}.")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield "davda54/sam", optimizers.of(module.SAM)


def inventory(_: object) -> str:
    """How many optimizers, and which of them climb."""
    ours = [n for n in pb.optim.__all__ if issubclass(getattr(pb.optim, n), torch.optim.Optimizer)]
    said = f"passband {len(ours)}: {', '.join(ours)}"
    said += f"\n  torch.optim: {[n for n in dir(torch.optim) if 'sam' in n.lower()] or 'no SAM'}"
    if importlib.util.find_spec("pytorch_optimizer") is not None:
        package = importlib.import_module("pytorch_optimizer")
        climb = [n for n in dir(package) if n.upper().endswith("SAM") and n[0].isupper()]
        count = len(package.get_supported_optimizers())
        said += f"\n  pytorch-optimizer {count} by name; {', '.join(climb)}"
    return said


def operators(_: object) -> str:
    """Which curvature matrices."""
    ours = [
        n for n in pb.__all__ if isinstance(kind := getattr(pb, n), type) and hasattr(kind, "T")
    ]
    said = f"passband: {', '.join(ours)}"
    for package in ("curvlinops", "hessian_eigenthings"):
        if importlib.util.find_spec(package) is not None:
            names = [n for n in dir(importlib.import_module(package)) if n.endswith("Operator")]
            said += f"\n  {package}: {', '.join(names)}"
    return said


def density(_: object) -> str:
    """PyHessian's spectral density, as PyPI has it."""
    return str(spectra.of_pyhessian(network(), batches(40)).density(iter=5))


def interrupted(_: object) -> str:
    """A search that runs out of products and goes on."""
    H = pb.Hessian(pb.Objective(network(wide=200), MSE, batches(40)))
    whole = pb.eigenvalues(H, k=3, progress=False).matvecs
    half = pb.eigenvalues(H, k=3, progress=False, max_matvecs=8)
    rest = pb.eigenvalues(H, k=3, progress=False, start=half).matvecs
    return f"{whole} products at once; {half.matvecs} + {rest} in two parts"


def watched(_: object) -> str:
    """Training with and without a monitor."""
    ends: list[nn.Module] = []
    for every in (None, 2):
        model = network()
        sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        options: dict[str, Any] = {"every": every, "log": None, "on_event": "silent"}
        monitor = pb.Monitor(model, MSE, batches(40), sgd, **options) if every else None
        for _step in range(6):
            sgd.step(optimizers.passes(model))
            if monitor is not None:
                monitor.step()
        ends.append(copy.deepcopy(model))
        if monitor is not None:
            p = monitor.probes[-1]
            said = f"{p.sharpness:.4f} ± {p.error:.0e}, edge {p.edge:.4g}, ratio {p.ratio:.3f}"
            return f"{'bitwise alike' if optimizers.same(*ends) else 'differs'}; {said}"
    return ""


def constants(_: object) -> str:
    """The Kreiss constant of [[1/2, 0], [4, 1/2]], which is 17/8; a Jacobian's eigenvalues."""
    found = kreiss([[0.5, 0.0], [4.0, 0.5]])

    def step(s: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:  # heavy ball on 5 x² / 2
        v = 0.9 * s["v"] + 5 * s["x"]
        return {"x": s["x"] - 0.1 * v, "v": v}

    x, v = torch.zeros(2, 1, dtype=torch.float64)
    J = pb.UpdateJacobian(step, {"x": x, "v": v})
    pair = ", ".join(f"{z:.4f}" for z in pb.multipliers(J, k=2).values.tolist())
    edge = pb.filter_of(torch.optim.SGD([torch.zeros(1)], lr=0.1, momentum=0.9)).edge
    width = found.upper - found.lower
    return f"{found.lower:.6f}, width {width:.0e}; multipliers {pair}; edge {edge:.4g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sam", type=Path, help="sam.py of davda54/sam")
    given = parser.parse_args()
    torch.set_num_threads(1)
    tools = {n: t for n, (_, t) in TOOLS.items() if importlib.util.find_spec(n) is not None}
    packages = [TOOLS[name][0] for name in tools] + ["torch"]
    if importlib.util.find_spec("pytorch_optimizer") is not None:
        packages.append("pytorch-optimizer")
    print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages))
    ask(spectra, OF_SPECTRA, tools)
    ask(optimizers, OF_OPTIMIZERS, dict(climbers(given.sam)))
    alone = [inventory, operators, interrupted, watched, constants]
    for check in alone + [density] * ("pyhessian" in tools):
        print(f"\n{check.__name__}: {check.__doc__}\n  {answered(check, None)}")


if __name__ == "__main__":
    main()
