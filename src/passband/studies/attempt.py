"""One run: begun, continued, tried again, kept; whatever it raises becomes an outcome."""

import time
import traceback
import warnings
from collections import deque
from dataclasses import dataclass
from typing import Any, final

from passband.errors import first_line
from passband.studies.checkpoints import EVERY, Checkpoints
from passband.studies.record import Record
from passband.studies.store import Store
from passband.studies.study import Run
from passband.studies.unfinished import Unfinished


@final
@dataclass(frozen=True, kw_only=True)
class Policy:
    """How runs are treated.

    Args:
        force: Do again what is there already, from the start.
        retries: How often a run that fails is tried again.
        save_every: Seconds between two checkpoints of a run.
        keep_checkpoints: Keep the last checkpoint, with the final weights, in the finished run.

    Raises:
        ValueError: A number is negative.
    """

    force: bool = False
    retries: int = 0
    save_every: float = EVERY
    keep_checkpoints: bool = False

    def __post_init__(self) -> None:
        if not self.retries >= 0:
            raise ValueError(f"`retries` must be 0 or more; got {self.retries!r}.")
        if not self.save_every >= 0:
            raise ValueError(f"`save_every` must be seconds, 0 or more; got {self.save_every!r}.")


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
        attempts: How often it was tried.
    """

    run: Run
    record: Record | None
    error: str = ""
    details: str = ""
    reused: bool = False
    attempts: int = 1


def take(waiting: deque[Run], store: Store) -> Run:
    """Take the next run, one that no other process is at if there is any.

    So processes that share a store divide its runs. At the end they may do the same one: it
    gives the same numbers.
    """
    for i, run in enumerate(waiting):
        if store.unfinished(run.configuration()).status != "running":
            del waiting[i]
            return run
    return waiting.popleft()


def kept(run: Run, store: Store) -> Record | None:
    """Return the record of a run, or None if there is none that can be read.

    An interrupt may have come after the record and before the checkpoints were removed; then
    they are removed here.
    """
    configuration = run.configuration()
    record = store.load(configuration)
    if record is not None and (left := store.unfinished(configuration)).status != "running":
        left.remove()
    return record


def attempt(run: Run, store: Store, policy: Policy) -> Outcome:
    """Do one run and keep its record.

    It goes on from its checkpoint. What another process has finished meanwhile is not done.
    """
    configuration = run.configuration()
    if not policy.force and (record := kept(run, store)):
        return Outcome(run=run, record=record, reused=True)
    unfinished = store.unfinished(configuration)
    if policy.force:
        unfinished.remove()
    error, details = "", ""
    for tried in range(1, policy.retries + 2):
        try:
            record = _measured(run, store, unfinished, policy)
        except Exception as problem:
            error = f"{type(problem).__name__}: {first_line(problem)}"
            details = traceback.format_exc()
            unfinished.log(f"failed: {details}")
            unfinished.fail(error, attempts=tried)
        else:
            unfinished.remove()
            return Outcome(run=run, record=record, attempts=tried)
    return Outcome(run=run, record=None, error=error, details=details, attempts=policy.retries + 1)


def _measured(run: Run, store: Store, unfinished: Unfinished, policy: Policy) -> Record:
    from passband.studies.training import environment, one_thread

    configuration = run.configuration()
    with one_thread():
        place = environment(run.device)
        unfinished.begin(configuration, place)
        checkpoints = Checkpoints(
            unfinished.folder,
            every=policy.save_every,
            owner={"configuration": configuration, "environment": place},
            keep=policy.keep_checkpoints,
            tell=unfinished.log,
        )
        began = time.monotonic()
        unfinished.log(f"begins {configuration['label']}")
        with warnings.catch_warnings():
            shown = warnings.showwarning

            def show(*told: Any, **options: Any) -> None:
                unfinished.log(f"warning: {warnings.formatwarning(*told[:4])}")
                shown(*told, **options)

            warnings.showwarning = show
            measured = run.measure(checkpoints)
        unfinished.log(f"measured after {time.monotonic() - began:.1f} s")
    record = Record(
        configuration=configuration,
        environment=place,
        measured=measured,
        seconds=checkpoints.elapsed(),
    )
    store.save(record, checkpoints.kept())
    return record
