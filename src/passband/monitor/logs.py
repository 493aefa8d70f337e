"""Thin adapters: probes and events into the trackers that people use already."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, final, runtime_checkable

from passband.errors import require
from passband.monitor.events import Event
from passband.monitor.probe import Probe

_LEFT_OUT = {"step", "note", "verified"}


@runtime_checkable
class Log(Protocol):
    """Where probes and events go."""

    def write(self, record: Probe | Event) -> None:
        """Take in one record."""
        ...

    def close(self) -> None:
        """Finish."""
        ...


def scalars(probe: Probe) -> dict[str, float]:
    """Return the numbers of a probe that exist, named ``passband/sharpness`` and so on."""
    numbers: dict[str, float] = {}
    for name, value in dataclasses.asdict(probe).items():
        if isinstance(value, dict):
            numbers |= {f"{name}/{part}": float(number) for part, number in value.items()}
        elif name not in _LEFT_OUT:
            numbers[name] = float(value)
    return {f"passband/{name}": value for name, value in numbers.items() if math.isfinite(value)}


@final
class Numbers:
    """A log that hands ``(numbers, step)`` to a function: any tracker in one line.

    Args:
        log: Takes a mapping of names to numbers, and the step.
        event: Takes a text and the step; events are left out if not given.

    Example:
        >>> seen = []
        >>> Numbers(lambda numbers, step: seen.append((step, sorted(numbers)[-1]))).write(
        ...     Probe(step=3, sharpness=2.0)
        ... )
        >>> seen
        [(3, 'passband/sharpness')]
    """

    def __init__(
        self,
        log: Callable[[Mapping[str, float], int], object],
        event: Callable[[str, int], object] | None = None,
    ) -> None:
        self._log, self._event = log, event

    def write(self, record: Probe | Event) -> None:
        """Take in one record."""
        if isinstance(record, Probe):
            self._log(scalars(record), record.step)
        elif self._event is not None:
            self._event(f"{record.kind}: {record.message}", record.step)

    def close(self) -> None:
        """Nothing is open."""


@final
class Several:
    """Several logs as one.

    Args:
        logs: Each with ``write(record)`` and ``close()``.
    """

    def __init__(self, *logs: Any) -> None:
        self._logs = logs

    def write(self, record: Probe | Event) -> None:
        """Hand one record to each."""
        for log in self._logs:
            log.write(record)

    def close(self) -> None:
        """Close each."""
        for log in self._logs:
            log.close()


def tensorboard(writer: Any) -> Numbers:
    """Return a log that writes to a ``SummaryWriter``, which stays the caller's."""

    def log(numbers: Mapping[str, float], step: int) -> None:
        for name, value in numbers.items():
            writer.add_scalar(name, value, step)

    return Numbers(log, lambda text, step: writer.add_text("passband/events", text, step))


def mlflow() -> Numbers:
    """Return a log that writes to the active MLflow run.

    Raises:
        MissingExtraError: MLflow is not installed.
    """
    require("mlflow", extra="integrations")
    import importlib

    client: Any = importlib.import_module("mlflow")

    def log(numbers: Mapping[str, float], step: int) -> None:
        named = {name.replace("/", "."): value for name, value in numbers.items()}
        client.log_metrics(named, step=step)

    def tell(text: str, step: int) -> None:
        kind, _, message = text.partition(": ")
        client.set_tag(f"passband.event.{step}.{kind}", message)  # a step may have several

    return Numbers(log, tell)


def wandb(run: Any) -> Numbers:
    """Return a log that writes to a Weights & Biases or trackio run, with its own step."""

    def log(numbers: Mapping[str, float], step: int) -> None:
        run.log({**numbers, "passband/step": step})

    return Numbers(log)
