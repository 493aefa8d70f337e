"""``passband doctor FILE.py``: what would go wrong in the training that a file defines."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import tyro

import passband as pb
from passband.cli.user_file import training_of

_DESCRIPTION = """Examine the training that a Python file defines, and take one careful step on a
copy of it. Each finding comes with its remedy; the exit status is 1 if one is a problem.

The file defines four names, as for `passband inspect`: model, loss, data and optimizer.

  $ passband doctor examples/inspect_me.py
  $ passband doctor train.py --checkpoint last.pt --no-spectrum"""


@final
@dataclass(frozen=True, kw_only=True)
class Options:
    """What `passband doctor` takes.

    Attributes:
        file: Python file that defines model, loss, data and optimizer.
        checkpoint: Weights to load into the model first, as for `passband inspect`.
        spectrum: Measure the sharpness over all data; otherwise only one batch is used.
    """

    file: tyro.conf.Positional[Path]
    checkpoint: Path | None = None
    spectrum: bool = True


def main(arguments: Sequence[str]) -> int:
    """Run the file, load the checkpoint, examine, print."""
    options = tyro.cli(
        Options, args=list(arguments), prog="passband doctor", description=_DESCRIPTION
    )
    with training_of(options.file, options.checkpoint) as subject:
        diagnosis = pb.doctor(
            subject["model"],
            subject["optimizer"],
            subject["data"],
            loss=subject["loss"],
            spectrum=options.spectrum,
        )
    print(diagnosis)
    return 0 if diagnosis.healthy else 1
