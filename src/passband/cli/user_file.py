"""A Python file of the user's: run, and asked for the training that it defines."""

import re
import runpy
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from passband.cli.beside import importable
from passband.problem.explain import brief

NAMES = ("model", "loss", "data", "optimizer")

_MUST_BE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "model": (lambda model: isinstance(model, nn.Module), "a torch module"),
    "loss": (callable, "a function `loss(output, target)` or `loss(model, batch)`"),
    "optimizer": (lambda it: isinstance(it, Optimizer), "an instance of a torch optimizer"),
}


@contextmanager
def training_of(file: Path, checkpoint: Path | None) -> Generator[dict[str, Any]]:
    """Run a file and load a checkpoint; modules beside it are found until the end of the block.

    Yields:
        The four names that the file must define.
    """
    with importable(file.parent):
        subject = load(file)
        if checkpoint is not None:
            restore(subject, checkpoint)
        yield subject


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
    except SystemExit as error:
        raise ValueError(
            f"{file} ended itself, by `sys.exit({error.code!r})`, before its names could be read. "
            'Keep that behind `if __name__ == "__main__":`.'
        ) from error
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
