"""``passband transient FILE.py``: the transient of the training step that a file defines."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import tyro

import passband as pb
from passband.cli.beside import importable
from passband.cli.user_file import run

_DESCRIPTION = """What eigenvalues of a training step do not show: how far a small change grows
before it settles, its Kreiss constant, and where the worst one sits, by player and layer.

The file defines step (a function from a state to the next one, which leaves its input as it is
and uses torch.func.grad or create_graph=True) and state (any nest of tensors). Or it defines
players, a dict of passband.transients.coupled.Player: then update orders and remedies are put side
by side, and a ratio of learning rates is recommended.

  $ passband transient examples/transient_me.py
  $ passband transient game.py --compare
  $ passband transient train.py --steps 5000"""


@final
@dataclass(frozen=True, kw_only=True)
class Options:
    """What `passband transient` takes.

    Attributes:
        file: Python file that defines step and state, or players.
        compare: Put update orders and remedies side by side; the file must define players.
        steps: The largest power of the Jacobian to look at.
        rtol: Relative accuracy of the growth.
        seed: Seed of the random directions.
        check: Compare the Jacobian with difference quotients first.
    """

    file: tyro.conf.Positional[Path]
    compare: bool = False
    steps: int = 1000
    rtol: float = 0.01
    seed: int = 0
    check: bool = True


def main(arguments: Sequence[str]) -> int:
    """Run the file, measure, print."""
    options = tyro.cli(
        Options, args=list(arguments), prog="passband transient", description=_DESCRIPTION
    )
    with importable(options.file.parent):
        print(_measured(options))
    return 0


def _measured(options: Options) -> str:
    defined = run(options.file)
    whole = all(name in defined for name in ("step", "state"))
    if "players" in defined and (options.compare or not whole):
        table = pb.transients.coupled.compare(
            defined["players"], steps=options.steps, seed=options.seed
        )
        return repr(table)
    if options.compare or not whole:
        wanted = "players" if options.compare else "step and state, or players,"
        raise ValueError(
            f"{options.file} must define {wanted} at its top level. Names behind "
            '`if __name__ == "__main__":` are not seen.'
        )
    J = pb.UpdateJacobian(defined["step"], defined["state"], check=options.check)
    return repr(pb.transient(J, steps=options.steps, rtol=options.rtol, seed=options.seed))
