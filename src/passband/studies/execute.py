"""Runs on several processes: each on one thread, each kept as soon as it is finished."""

import signal
import time
import traceback
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from typing import Any, final

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
    """Do runs on processes, as many at a time as there are processes.

    When a process dies, all that were running are lost with the pool. They are tried again
    one at a time, so that the one to blame is found and the others are not.
    """
    waiting, running = deque(runs), dict[Future[Outcome], Run]()
    pool = _Pool(jobs)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                run = waiting.popleft()
                running[pool.submit(run, store)] = run
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            lost: list[Run] = []
            for future in ended:
                run = running.pop(future)
                try:
                    yield future.result()
                except BrokenExecutor:
                    lost = [run, *running.values()]
                    running.clear()
                    break
            yield from (_alone(pool, run, store) for run in lost)
    finally:
        pool.stop()


def _alone(pool: "_Pool", run: Run, store: Store) -> Outcome:
    try:
        return pool.submit(run, store).result()
    except BrokenExecutor as error:
        return Outcome(run=run, record=None, error=f"its process died: {error}".splitlines()[0])


class _Pool:
    """Joblib's process pool, a new one after each death, one thread a process."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def _executor(self) -> Any:
        from joblib.externals.loky import get_reusable_executor

        return get_reusable_executor(
            max_workers=self.jobs,
            env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            initializer=_leave_interrupts,
        )

    def submit(self, run: Run, store: Store) -> Future[Outcome]:
        return self._executor().submit(_attempt, run, Store(store.folder))

    def stop(self) -> None:
        """End the processes, also in the middle of a run."""
        self._executor().shutdown(wait=True, kill_workers=True)


def _leave_interrupts() -> None:
    """Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
