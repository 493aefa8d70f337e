"""``passband demo``: predictions of filters beside what trained networks do."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from passband.cli.campaign import default_jobs, run_studies
from passband.studies import Policy, demo_studies


def main(arguments: Sequence[str]) -> int:
    """Run the command with the arguments that were typed."""
    import tyro

    def command(
        *,
        out: Path = Path("runs/demo"),
        quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
        seeds: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None,
        jobs: int = default_jobs(),
        force: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    ) -> int:
        """Train real networks with six optimizers; compare where they land with their filters.

        Takes about five minutes on two cores. Finished runs are kept: after an interruption
        the same command continues. Examples:

          passband demo --quick          # everything in small, under a minute
          passband demo --seeds 5        # tighter error bars
          passband report runs/demo      # draw the report again

        Args:
            out: Folder of records and report.
            quick: Smaller images, networks and trainings.
            seeds: Seeds of the small-batch runs; if not given 3, or 2 with --quick.
            jobs: Processes, each on one core.
            force: Measure again what is there already.
        """
        return run_studies(
            demo_studies(quick=quick, seeds=seeds),
            out=out,
            jobs=jobs,
            policy=Policy(force=force),
            command=shlex.join(["passband", "demo", *arguments]),
        )

    return tyro.cli(command, args=list(arguments), prog="passband demo")
