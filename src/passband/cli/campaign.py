"""Studies from the first run to the report, with a bar on a terminal; interrupted, they go on."""

import os
import shlex
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text
from typing_extensions import override

from passband.cli.needed import PAGE, TO_MEASURE, need
from passband.report import gather, show, write_page
from passband.report.terminal import duration
from passband.studies import Backend, Outcome, Plan, Policy, Run, Store, Study, execute
from passband.studies.atomic import write
from passband.studies.attempt import kept
from passband.studies.backends import available, cores
from passband.studies.plan import RECORDS

ERRORS = "errors.txt"
MOST_JOBS = 2


def default_jobs() -> int:
    """Return the cores that this process may use, two at most."""
    affinity = getattr(os, "sched_getaffinity", None)
    return min(MOST_JOBS, len(affinity(0)) if affinity else MOST_JOBS)


def run_studies(
    studies: Sequence[Study],
    *,
    out: Path,
    jobs: int,
    command: str,
    policy: Policy | None = None,
    backend: Backend = "loky",
) -> int:
    """Do all runs that have no record, then show and write the report.

    Everything that can be wrong beforehand is found before the first run. Runs are of one
    thread each, and no more of them are done at a time than this machine has cores.

    Returns:
        The exit status: 0, 1 if a run failed, 130 after Ctrl-C.

    Raises:
        MissingExtraError: A package that studies need is not installed.
        OSError: The folder cannot be written to.
        ValueError: ``jobs`` is not a positive number, or the backend is not known.
    """
    need(TO_MEASURE)
    if not jobs >= 1:
        raise ValueError(f"`jobs` must be 1 or more; got {jobs!r}.")
    available(backend, jobs=jobs)
    policy = policy or Policy()
    store = Store(out / RECORDS)
    probe = store.folder / ".writable"
    write(probe, "")
    probe.unlink(missing_ok=True)  # another process on this store may have been faster
    Plan.of(studies, command=command).save(out)

    console = Console(highlight=False)
    if backend == "loky" and jobs > (most := cores()):
        console.print(f"{jobs} processes asked for; {most} are used, as many as there are cores.")
        jobs = most
    runs = [run for study in studies for run in study.runs()]
    try:
        failed = _measure(runs, store, policy, jobs=jobs, backend=backend, console=console)
    except KeyboardInterrupt:
        done = sum(store.load(run.configuration()) is not None for run in runs)
        console.print(f"\nInterrupted. {done} of {len(runs)} runs are kept; to continue:")
        console.print(f"  {command}", soft_wrap=True)
        return 130
    return _conclude(out, failed, console)


def _measure(
    runs: Sequence[Run],
    store: Store,
    policy: Policy,
    *,
    jobs: int,
    backend: Backend,
    console: Console,
) -> list[Outcome]:
    """Do the runs, with a bar on a terminal; return those that failed."""
    repairing = Store(
        store.folder, on_unreadable=lambda text: _tell(console, text), repair=not policy.force
    )
    waiting = [run for run in runs if policy.force or kept(run, repairing) is None]
    begun = sum(store.unfinished(run.configuration()).folder.exists() for run in waiting)
    console.print(
        f"{len(runs)} runs: {len(runs) - len(waiting)} kept from before, {len(waiting)} to do "
        f"on {min(jobs, max(len(waiting), 1))} process(es)"
        + (f", {begun} of them begun before." if begun and not policy.force else ".")
    )
    failed: list[Outcome] = []
    with (
        _bar(console) as bar,
        closing(execute(waiting, store, jobs=jobs, backend=backend, policy=policy)) as outcomes,
    ):
        task = bar.add_task("", total=sum(run.cost for run in waiting), count=f"{len(waiting)}")
        for done, outcome in enumerate(outcomes, 1):
            count = f"{done} of {len(waiting)} runs"
            bar.update(task, advance=outcome.run.cost, count=count, at=bar.tasks[0].elapsed)
            if outcome.record is None:
                failed.append(outcome)
                bar.console.print(f"failed: {outcome.run.label}: {outcome.error}", markup=False)
    return failed


def _tell(console: Console, text: str) -> None:
    console.print(f"{text} It is measured again.", markup=False, soft_wrap=True)


def _bar(console: Console) -> Progress:
    """Return a bar whose rest is estimated from the expected cost of the runs, not their number."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.fields[count]}"),
        BarColumn(),
        TimeElapsedColumn(),
        _Remaining(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


class _Remaining(ProgressColumn):
    """Time that is left if the rest goes as fast as what is done."""

    @override
    def render(self, task: Task) -> Text:
        elapsed, at = task.elapsed or 0.0, float(task.fields.get("at", 0.0))
        if not at or not task.completed or task.total is None:
            return Text("about … to go", style="cyan")
        left = at * (task.total - task.completed) / task.completed - (elapsed - at)
        return Text(f"about {duration(max(left, 0.0))} to go", style="cyan")


def _conclude(out: Path, failed: Sequence[Outcome], console: Console) -> int:
    """Show the report, write the page, and say what failed."""
    report = gather(out)
    show(report, console)
    write_page(report, out / PAGE, redraw=f"passband report {shlex.quote(str(out))}")
    verdicts = report.verdicts
    console.print(
        f"\n{verdicts['ok']} of {len(report.claims)} claims ok, "
        f"{duration(report.seconds)} of one core. Report: {out / PAGE}",
        soft_wrap=True,
    )
    if failed:
        text = "\n".join(f"{o.run.label}: {o.error}\n{o.details}" for o in failed)
        write(out / ERRORS, text)
        console.print(
            f"{len(failed)} runs failed; {out / ERRORS} says where. "
            "The same command tries them again.",
            soft_wrap=True,
            markup=False,
        )
    return 1 if failed else 0
