"""``passband inspect FILE.py``: judge the model that a file defines."""

import re
import runpy
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
import tyro
from torch import nn
from torch.optim import Optimizer

import passband as pb
from passband.cli.beside import importable
from passband.problem.explain import brief

NAMES = ("model", "loss", "data", "optimizer")

_MUST_BE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "model": (lambda model: isinstance(model, nn.Module), "a torch module"),
    "loss": (callable, "a function `loss(output, target)` or `loss(model, batch)`"),
    "optimizer": (lambda it: isinstance(it, Optimizer), "an instance of a torch optimizer"),
}

_DESCRIPTION = """Judge the model that a Python file defines: its sharpest Hessian eigenvalues
against what its optimizer lets through.

The file defines four names: model (a torch module), loss (loss(output, target), the mean over a
batch), data (a pair of tensors, a list of batches, or a DataLoader) and optimizer. It is run as
it stands, so keep training behind `if __name__ == "__main__":`.

  $ passband inspect examples/inspect_me.py
  $ passband inspect train.py --checkpoint last.pt --k 5"""


@final
@dataclass(frozen=True, kw_only=True)
class Options:
    """What `passband inspect` takes.

    Attributes:
        file: Python file that defines model, loss, data and optimizer.
        checkpoint: Weights to load into the model first: a state dict saved by torch.save, or a
            dict that holds one under "model" or "state_dict", and perhaps the optimizer's under
            "optimizer". No code in it is run.
        k: Eigenvalues at each end of the spectrum.
        rtol: Relative accuracy that is asked of them.
        seed: Seed of the start vector.
        verify: Search for missed copies of eigenvalues, at most 12 more products an end.
    """

    file: tyro.conf.Positional[Path]
    checkpoint: Path | None = None
    k: int = 3
    rtol: float = 1e-4
    seed: int = 0
    verify: bool = True


def main(arguments: Sequence[str]) -> int:
    """Run the file, load the checkpoint, inspect, print."""
    options = tyro.cli(
        Options, args=list(arguments), prog="passband inspect", description=_DESCRIPTION
    )
    with importable(options.file.parent):
        subject = load(options.file)
        if options.checkpoint is not None:
            restore(subject, options.checkpoint)
        verdict = pb.inspect(
            subject["model"],
            subject["loss"],
            subject["data"],
            subject["optimizer"],
            k=options.k,
            rtol=options.rtol,
            seed=options.seed,
            verify=options.verify,
        )
    print(verdict)
    return 0


def load(file: Path) -> dict[str, Any]:
    """Run a file and return the four names it must define."""
    defined = run(file)
    missing = [name for name in NAMES if name not in defined]
    if missing:
        raise ValueError(
            f"{file} must define {', '.join(NAMES)} at its top level; it lacks "
            f'{", ".join(missing)}. Names behind `if __name__ == "__main__":` are not seen.'
        )
    for name, (holds, what) in _MUST_BE.items():
        if not holds(defined[name]):
            raise ValueError(
                f"{file} must define `{name}` as {what}; it is {brief(defined[name])}."
            )
    return {name: defined[name] for name in NAMES}


def run(file: Path) -> dict[str, Any]:
    """Run a file as `python FILE.py` would, not as the main program, and return its names.

    The modules beside it are found inside `importable` alone.
    """
    if not file.is_file():
        raise ValueError(f"there is no file {str(file)!r}.")
    if file.suffix in {".pt", ".pth", ".ckpt", ".bin", ".safetensors"}:
        raise ValueError(
            f"{file} holds weights; give the Python file that makes the model, and the weights by "
            f"`--checkpoint {file}`."
        )
    try:
        return runpy.run_path(str(file), run_name="passband_inspect")
    except Exception as error:
        raise ValueError(f"{file} could not be run.\n{_their_part(error, file)}") from error


def _their_part(error: Exception, file: Path) -> str:
    """Return what went wrong from the user's file on; how we came there is of no use to them."""
    frames = traceback.extract_tb(error.__traceback__)
    begins = [i for i, frame in enumerate(frames) if frame.filename == str(file)]
    theirs = frames[begins[0] :] if begins else []
    lines = [*traceback.format_list(theirs), *traceback.format_exception_only(error)]
    return "".join(lines).rstrip()


def restore(subject: Mapping[str, Any], checkpoint: Path) -> None:
    """Load a checkpoint into the model, and into the optimizer where it has a part for it."""
    if not checkpoint.is_file():
        raise ValueError(f"there is no checkpoint {str(checkpoint)!r}.")
    try:
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        why = f"it needs code, {code[1]}, which is not run" if code else "torch cannot read it"
        raise ValueError(
            f"{checkpoint} must be a file of weights; {why}. "
            "Save `model.state_dict()` with `torch.save`."
        ) from error
    if not isinstance(saved, Mapping):
        raise ValueError(f"{checkpoint} must hold a state dict; it holds {type(saved).__name__}.")
    weights = next((saved[key] for key in ("model", "state_dict") if key in saved), saved)
    try:
        subject["model"].load_state_dict(weights)
        if "optimizer" in saved and weights is not saved:
            subject["optimizer"].load_state_dict(saved["optimizer"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise ValueError(f"{checkpoint} does not fit what the file defines: {error}") from error
