"""Runs on several processes: each on one thread, each kept as soon as it is finished."""

import signal
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, cast, final

from passband.errors import require
from passband.studies.record import Record
from passband.studies.store import Store
from passband.studies.study import Run


@final
@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one run ended.

    Attributes:
        run: The run.
        record: What it left behind; None if it failed.
        error: One line that says why it failed.
        details: Where it failed, for the log.
        reused: The record was there before.
    """

    run: Run
    record: Record | None
    error: str = ""
    details: str = ""
    reused: bool = False


def execute(
    runs: Sequence[Run], store: Store, *, jobs: int = 1, force: bool = False
) -> Generator[Outcome, None, None]:
    """Yield the outcome of every run, finished ones first, the others as they end.

    Records that are there are not measured again. A run that fails does not stop the others,
    not even one that takes its process down. Closing the iterator, or Ctrl-C, stops the
    processes; what is finished is kept.

    Args:
        runs: What to do. Expensive runs are started first.
        store: Where records are kept.
        jobs: Processes; with 1 the runs are done in this one.
        force: Measure again what is there.

    Raises:
        ValueError: ``jobs`` is not a positive number.
        MissingExtraError: ``joblib`` is not installed, and ``jobs`` is more than one.
    """
    if not jobs >= 1:
        raise ValueError(f"`jobs` must be 1 or more; got {jobs!r}.")
    if jobs > 1:
        require("joblib", extra="demo")
    waiting: list[Run] = []
    for run in runs:
        record = None if force else store.load(run.configuration())
        if record is None:
            waiting.append(run)
        else:
            yield Outcome(run=run, record=record, reused=True)
    waiting.sort(key=lambda run: -run.cost)
    if jobs == 1:
        yield from (_attempt(run, store) for run in waiting)
    elif waiting:
        yield from _spread(waiting, store, jobs)


def _attempt(run: Run, store: Store) -> Outcome:
    """Do one run and keep its record; an error becomes an outcome."""
    from passband.studies.training import environment, one_thread

    began = time.process_time()
    try:
        with one_thread():
            record = Record(
                configuration=run.configuration(),
                environment=environment(),
                measured=run.measure(),
                seconds=time.process_time() - began,
            )
        store.save(record)
    except Exception as error:
        last = f"{type(error).__name__}: {error}".splitlines()[0]
        return Outcome(run=run, record=None, error=last, details=traceback.format_exc())
    return Outcome(run=run, record=record)


def _spread(runs: Sequence[Run], store: Store, jobs: int) -> Generator[Outcome, None, None]:
    """Do runs on a pool of processes; if one of them dies, do the rest one at a time."""
    left = list(runs)
    quiet = Store(store.folder)  # what it tells is told here, not in the workers
    try:
        for outcome in _pool(left, quiet, jobs):
            left = [run for run in left if run != outcome.run]
            yield outcome
    except _worker_died():
        for run in left:
            try:
                yield from _pool([run], quiet, jobs)
            except _worker_died() as error:
                last = f"its process died: {error}".splitlines()[0]
                yield Outcome(run=run, record=None, error=last)


def _worker_died() -> type[Exception]:
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    return TerminatedWorkerError


def _pool(runs: Sequence[Run], store: Store, jobs: int) -> Generator[Outcome, None, None]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky import get_reusable_executor

    attempt: Callable[..., Any] = delayed(_attempt)
    pool = cast(Callable[..., Any], Parallel)
    done = False
    try:
        with parallel_config("loky", inner_max_num_threads=1, initializer=_leave_interrupts):
            parallel = pool(
                n_jobs=jobs, pre_dispatch="all", batch_size=1, return_as="generator_unordered"
            )
            outcomes = parallel(attempt(run, store) for run in runs)
        yield from outcomes
        done = True
    finally:
        if not done:
            get_reusable_executor().shutdown(wait=False, kill_workers=True)


def _leave_interrupts() -> None:
    """Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
