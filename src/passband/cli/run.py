"""``passband run``: one study by its name, from the first run to the report."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from passband.cli.campaign import default_jobs, run_studies
from passband.cli.suggest import closest
from passband.studies import PROGRAMS, STUDIES, Backend, Policy
from passband.studies.checkpoints import EVERY


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
        data: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None,
        jobs: int = default_jobs(),
        backend: Backend = "loky",
        retries: int = 0,
        save_every: float = EVERY,
        keep_checkpoints: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
        force: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    ) -> int:
        """Do a study: train, measure, compare with what the theory says, draw the report.

        Finished runs are kept, and a run that was interrupted goes on where it was: the same
        command continues. Examples:

          passband run --list                    # what there is
          passband run one-gradient --quick      # everything in small
          passband run filters --data fashion    # arXiv 2510.09034 on whole data sets
          passband report runs/one-gradient      # draw the report again

        Args:
            name: What `passband run --list` lists.
            out: Folder of records and report; runs/NAME if not given.
            quick: Smaller images, networks and trainings.
            seeds: Seeds of the small-batch runs; the study's own number if not given.
            data: Images of `filters`: subset (no download), mnist, fashion or cifar10.
            jobs: Processes, each on one core.
            backend: Where runs are done: processes here, or a Ray or Dask cluster.
            retries: How often a run that fails is tried again.
            save_every: Seconds between two checkpoints of a run.
            keep_checkpoints: Keep the final weights of every run.
            force: Measure again what is there already.
        """
        if name not in PROGRAMS:
            raise ValueError(
                f"no study {name!r}{closest(name, PROGRAMS)} Known: {', '.join(PROGRAMS)}."
            )
        studies = PROGRAMS[name].made(quick=quick, seeds=seeds, data=data)
        unknown = [type(s).__name__ for s in studies if s.name not in STUDIES]
        if unknown:
            raise ValueError(
                f"every study of {name!r} must be known by name, to judge its records; not so: "
                f"{', '.join(unknown)}. Add the class to STUDIES in passband/studies/__init__.py."
            )
        return run_studies(
            studies,
            out=Path("runs") / name if out is None else out,
            jobs=jobs,
            policy=Policy(
                force=force,
                retries=retries,
                save_every=save_every,
                keep_checkpoints=keep_checkpoints,
            ),
            backend=backend,
            command=shlex.join(["passband", "run", *arguments]),
        )

    return tyro.cli(command, args=list(arguments), prog="passband run")


def listing() -> str:
    """Return every study, with what it does and how long it takes."""
    width = max(map(len, PROGRAMS))
    return "\n".join(f"{name:<{width}}  {p.summary}" for name, p in PROGRAMS.items())
