"""``passband run``: one study by its name, from the first run to the report."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from passband.cli.campaign import default_jobs, run_studies
from passband.cli.suggest import closest
from passband.studies import PROGRAMS


def main(arguments: Sequence[str]) -> int:
    """Run the command with the arguments that were typed."""
    import tyro

    if "--list" in arguments:
        print(listing())
        return 0

    def command(
        name: Annotated[str, tyro.conf.Positional],
        *,
        out: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None,
        quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
        seeds: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None,
        jobs: int = default_jobs(),
        force: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    ) -> int:
        """Do a study: train, measure, compare with what the theory says, draw the report.

        Finished runs are kept: after an interruption the same command continues. Examples:

          passband run --list                    # what there is
          passband run one-gradient --quick      # everything in small
          passband report runs/one-gradient      # draw the report again

        Args:
            name: What `passband run --list` lists.
            out: Folder of records and report; runs/NAME if not given.
            quick: Smaller images, networks and trainings.
            seeds: Seeds of the small-batch runs; the study's own number if not given.
            jobs: Processes, each on one core.
            force: Measure again what is there already.
        """
        if name not in PROGRAMS:
            raise ValueError(
                f"no study {name!r}{closest(name, PROGRAMS)}. Known: {', '.join(PROGRAMS)}."
            )
        return run_studies(
            PROGRAMS[name].studies(quick=quick, seeds=seeds),
            out=Path("runs") / name if out is None else out,
            jobs=jobs,
            force=force,
            command=shlex.join(["passband", "run", *arguments]),
        )

    return tyro.cli(command, args=list(arguments), prog="passband run")


def listing() -> str:
    """Return every study, with what it does and how long it takes."""
    width = max(map(len, PROGRAMS))
    return "\n".join(f"{name:<{width}}  {p.summary}" for name, p in PROGRAMS.items())
