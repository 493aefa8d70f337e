"""``passband inspect FILE.py``: judge the model that a file defines."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import tyro

import passband as pb
from passband.cli.user_file import training_of

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
    with training_of(options.file, options.checkpoint) as subject:
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
