"""Where runs are done: in this process, on processes beside it, or on a cluster."""

import importlib
import importlib.util
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import contextmanager
from typing import Any, Literal, final

from passband.errors import MissingExtraError, require
from passband.studies.attempt import Outcome, Policy, attempt, take
from passband.studies.store import Store
from passband.studies.study import Run

Backend = Literal["loky", "ray", "dask"]
BACKENDS: tuple[Backend, ...] = ("loky", "ray", "dask")
_THREADS = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
}
_NEEDS = {"ray": ("ray", "ray"), "dask": ("distributed", "'dask[distributed]'")}


def available(backend: str, *, jobs: int) -> None:
    """Refuse a backend that is not known or not installed.

    Raises:
        ValueError: It is none of `BACKENDS`.
        MissingExtraError: Its package is not installed; the message says how to.
    """
    if backend not in BACKENDS:
        raise ValueError(f"`backend` must be one of {', '.join(BACKENDS)}; got {backend!r}.")
    if backend != "loky" or jobs > 1:
        require("joblib", extra="demo")
    if backend in _NEEDS:
        module, package = _NEEDS[backend]
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(
                f"`--backend {backend}` needs `{module}`, which is not installed: "
                f"pip install {package}."
            )


def cores() -> int:
    """Return the cores that this process may use: affinity and containers counted."""
    from joblib import cpu_count

    return max(int(cpu_count()), 1)


def on_processes(
    runs: Sequence[Run], store: Store, policy: Policy, *, jobs: int
) -> Generator[Outcome, None, None]:
    """Do runs on processes of this machine, as many at a time as there are processes.

    When a process dies, all that were running are lost with the pool. They are tried again
    one at a time, so that the one to blame is found and the others are not.
    """
    waiting, running = deque(runs), dict[Future[Outcome], Run]()
    pool = _Pool(jobs, store, policy)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                run = take(waiting, store)
                running[pool.submit(run)] = run
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
            yield from (_alone(pool, run, store, policy) for run in lost)
    finally:
        pool.stop()


def _alone(pool: "_Pool", run: Run, store: Store, policy: Policy) -> Outcome:
    error, attempts = "", policy.retries + 1
    for _ in range(attempts):
        try:
            return pool.submit(run).result()
        except BrokenExecutor as problem:
            error = f"its process died: {problem}".splitlines()[0]
    unfinished = store.unfinished(run.configuration())
    unfinished.log(error)
    unfinished.fail(error, attempts=attempts)
    return Outcome(run=run, record=None, error=error, attempts=attempts)


@final
class _Pool:
    """Joblib's process pool, a new one after each death, one thread a process."""

    def __init__(self, jobs: int, store: Store, policy: Policy) -> None:
        self.jobs, self.store, self.policy = jobs, Store(store.folder), policy

    def _executor(self) -> Any:
        from joblib.externals.loky import get_reusable_executor

        return get_reusable_executor(
            max_workers=self.jobs, env=_THREADS, initializer=_leave_interrupts
        )

    def submit(self, run: Run) -> Future[Outcome]:
        return self._executor().submit(attempt, run, self.store, self.policy)

    def stop(self) -> None:
        """End the processes, also in the middle of a run."""
        self._executor().shutdown(wait=True, kill_workers=True)


def _leave_interrupts() -> None:
    """Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def on_cluster(
    runs: Sequence[Run], store: Store, policy: Policy, *, jobs: int, backend: Backend
) -> Generator[Outcome, None, None]:
    """Do runs through joblib's backend for Ray or Dask; finished ones come as they end.

    With Ray the address of a cluster is taken from ``RAY_ADDRESS``, with Dask the scheduler's
    from ``DASK_SCHEDULER_ADDRESS``; without one, processes are started on this machine. Records
    travel back, so the machines need not share a disk; checkpoints are where the run is done.
    """
    from joblib import Parallel, delayed, parallel_config

    with _connected(backend, jobs), parallel_config(backend=backend, n_jobs=jobs):
        tasks = (delayed(attempt)(run, Store(store.folder), policy) for run in runs)
        outcomes: Any
        try:
            outcomes = Parallel(return_as="generator_unordered")(tasks)
        except (NotImplementedError, ValueError):  # this backend returns lists only
            outcomes = Parallel()(tasks)
        for outcome in outcomes:
            record = outcome.record
            if record is not None and store.load(record.configuration) is None:
                store.save(record)
            yield outcome


@contextmanager
def _connected(backend: Backend, jobs: int) -> Generator[None]:
    """Make a backend known to joblib, and let go of what was started for it."""
    close: Callable[[], Any] | None = None
    if backend == "ray":
        ray: Any = importlib.import_module("ray")
        if not ray.is_initialized():
            address = os.environ.get("RAY_ADDRESS")
            ray.init(**({"address": address} if address else {"num_cpus": jobs}))
            close = ray.shutdown
        importlib.import_module("ray.util.joblib").register_ray()
    else:
        close = _dask(jobs)
    try:
        yield
    finally:
        if close:
            close()


def _dask(jobs: int) -> Callable[[], Any] | None:
    distributed: Any = importlib.import_module("distributed")
    try:
        distributed.default_client()
    except ValueError:
        pass
    else:
        return None
    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    if address:
        return distributed.Client(address).close
    cluster = distributed.LocalCluster(
        n_workers=jobs, threads_per_worker=1, dashboard_address=None, env=_THREADS
    )
    client = distributed.Client(cluster)

    def close() -> None:
        client.close()
        cluster.close()

    return close
