"""Many runs: finished ones first, the others as they end, each kept as soon as it is finished."""

from collections import deque
from collections.abc import Generator, Sequence

from passband.studies.attempt import Outcome, Policy, attempt, kept, take
from passband.studies.backends import Backend, available, on_cluster, on_processes
from passband.studies.store import Store
from passband.studies.study import Run


def execute(
    runs: Sequence[Run],
    store: Store,
    *,
    jobs: int = 1,
    backend: Backend = "loky",
    policy: Policy | None = None,
) -> Generator[Outcome, None, None]:
    """Yield the outcome of every run, finished ones first, the others as they end.

    Records that are there are not measured again, and what was interrupted goes on from its
    checkpoint. A run that fails does not stop the others, not even one that takes its process
    down. Closing the iterator, or Ctrl-C, stops the processes; what is finished is kept.

    Args:
        runs: What to do. Expensive runs are started first.
        store: Where records are kept.
        jobs: Processes of one thread each; with 1 and ``"loky"`` the runs are done in this one.
        backend: ``"loky"``, processes on this machine; ``"ray"`` or ``"dask"``, a cluster.
        policy: How runs are treated; `Policy` says what can be chosen.

    Raises:
        ValueError: ``jobs`` is not a positive number, or the backend is not known.
        MissingExtraError: A package that the backend needs is not installed.
    """
    policy = policy or Policy()
    if not jobs >= 1:
        raise ValueError(f"`jobs` must be 1 or more; got {jobs!r}.")
    available(backend, jobs=jobs)
    waiting: list[Run] = []
    for run in runs:
        record = None if policy.force else kept(run, store)
        if record is None:
            waiting.append(run)
        else:
            yield Outcome(run=run, record=record, reused=True)
    waiting.sort(key=lambda run: -run.cost)
    if not waiting:
        return
    if backend != "loky":
        yield from on_cluster(waiting, store, policy, jobs=jobs, backend=backend)
    elif jobs == 1:
        rest = deque(waiting)
        while rest:
            yield attempt(take(rest, store), store, policy)
    else:
        yield from on_processes(waiting, store, policy, jobs=jobs)
