"""``Monitor``: one line in a training loop."""

import dataclasses
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, final

import torch.distributed as dist
from torch import nn
from torch.optim import Optimizer

from passband.errors import MonitorWarning
from passband.filters import Filter
from passband.monitor.events import Event, Watch
from passband.monitor.fitting import FittingProber
from passband.monitor.guarded import Guarded
from passband.monitor.logs import Log
from passband.monitor.probe import Probe
from passband.monitor.probe_set import probe_set
from passband.monitor.prober import Prober
from passband.monitor.records import FOLDER, RecordFile, opened
from passband.monitor.schedule import Schedule, check_numbers
from passband.monitor.shares import Shares
from passband.problem import Objective
from passband.problem.explain import brief
from passband.problem.losses import Takes
from passband.problem.sharded import is_fully_sharded
from passband.problem.wrapped import unwrapped

OnEvent = Literal["warn", "stop", "silent"] | Callable[[Event], object]

_PATIENCE = 3  # failures in a row after which probes are given up


@final
class Monitor:
    """Measures how close training is to the edge of its optimizer, while it runs.

    Each probe finds the sharpness of the loss over a fixed probe set, from where the last search
    ended, and compares it with the edge of the optimizer as it is at that moment: learning-rate
    schedules, momentum changes and Adam's live preconditioner count. It leaves no trace: weights,
    buffers, gradients, modes and random numbers are as before, so training goes on bit for bit
    as without. A probe that fails is recorded and never ends the training; out of memory it is
    tried again with smaller batches.

    With several processes the first one looks and writes, at a probe set of its own, while the
    others wait for it; or all look together, each at its share (``distributed``), and the first
    writes.

    Args:
        model: The network that is trained.
        loss: ``loss(output, target)``, the mean over a batch, or ``loss(model, batch)``.
        data: The probe set: a pair of tensors, a list of batches or a DataLoader. Its spectrum is
            that of its own mean loss; of all training data, if it is all training data.
        optimizer: What trains it; schedulers and state are read as they are.
        every: Steps between probes.
        seconds: Seconds between probes, beside or in place of ``every``.
        budget: Largest share of the time that probes may take; they wait until one fits. Without
            ``every`` and ``seconds`` it alone decides, and is 0.03 if not given.
        samples: Samples of a probe set given as a pair of tensors, drawn once by ``seed``; all if
            not given.
        batch: Samples a batch of a pair of tensors; batch sharpness and mean-square ratio are
            measured if given.
        k: Largest eigenvalues.
        smallest: Measure the smallest eigenvalue too, for saddle leaks.
        spheres: Measure the curvature on the spheres of scale-invariant weights too, and their
            effective learning rates: what counts in normalized networks.
        rtol: Relative accuracy of the eigenvalues.
        log: A path, for a file of one JSON object a line, a new one in ``runs/monitor`` if not
            given; what an earlier run wrote there is moved aside (``r.1.jsonl``), unless ``step``
            goes on from it. Or anything with ``write(record)`` and ``close()``; one that fails is
            closed, with a warning. Or None, for nothing.
        on_event: ``"warn"``; ``"stop"``, which sets ``should_stop`` at ``past``, ``leak`` and
            ``outside``; ``"silent"``; or a function.
        distributed: ``data`` is this process's share of the probe set, of any size, and all
            processes measure together, with the same options. Models sharded by ``fully_shard``
            need it and have it.
        step: Steps done before, where training goes on from a checkpoint.
        seed: Of the probe set.
        max_matvecs: Most products of a probe; 60, or what a large ``k`` needs, if not given.
        takes: How the loss is called, where the name of its first argument does not say it:
            ``"output, target"`` or ``"model, batch"``.
        count: What a batch counts, ``count(batch)``, where it is not its number of samples.

    Attributes:
        probes: All probes so far.
        events: All events so far.
        steps: Steps of the optimizer.
        should_stop: Whether an event asked to stop.
        file: The file that records go to, if there is one by now.

    Raises:
        ValueError: An option is out of its range, or there are no data.

    Example:
        >>> import torch
        >>> x = torch.eye(2)
        >>> model = nn.Linear(2, 1, bias=False)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.5)
        >>> data = (x, x[:, :1])
        >>> with Monitor(model, nn.functional.mse_loss, data, sgd, every=2, log=None) as monitor:
        ...     for _ in range(5):
        ...         _ = monitor.step()  # after `optimizer.step()`
        >>> [probe.step for probe in monitor.probes], round(monitor.probes[0].ratio, 6)
        ([0, 2, 4], 0.25)
    """

    schedule: Schedule
    probes: list[Probe]
    events: list[Event]
    steps: int
    should_stop: bool

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[..., Any],
        data: Any,
        optimizer: Optimizer,
        *,
        every: int | None = None,
        seconds: float | None = None,
        budget: float | None = None,
        samples: int | None = None,
        batch: int | None = None,
        k: int = 1,
        smallest: bool = False,
        spheres: bool = False,
        rtol: float = 1e-2,
        log: Path | str | Log | None = FOLDER,
        on_event: OnEvent = "warn",
        distributed: bool = False,
        step: int = 0,
        seed: int = 0,
        max_matvecs: int | None = None,
        takes: Takes = "auto",
        count: Callable[[Any], float] | None = None,
    ) -> None:
        optimizer = unwrapped(optimizer)
        if not isinstance(optimizer, Optimizer):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"`optimizer` must be a torch optimizer instance; got {brief(optimizer)}. "
                "The order is Monitor(model, loss, data, optimizer)."
            )
        for name, value in (("k", k), ("max_matvecs", 60 if max_matvecs is None else max_matvecs)):
            if not isinstance(value, int) or value < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ValueError(f"`{name}` must be a whole number, 1 or more; got {value!r}.")
        if not callable(on_event) and on_event not in {"warn", "stop", "silent"}:
            raise ValueError(
                f"`on_event` must be 'warn', 'stop', 'silent' or a function; got {on_event!r}."
            )
        if every is None and seconds is None and budget is None:
            budget = 0.03
        check_numbers(every=every, seconds=seconds, budget=budget)
        self.schedule = Schedule(every, seconds, budget)
        chosen = probe_set(data, samples, seed)
        started = dist.is_available() and dist.is_initialized()
        if distributed and not started:
            raise ValueError(
                "`distributed` needs processes: start with `torchrun`, and call "
                "`torch.distributed.init_process_group()` first."
            )
        self._shares = Shares(started and (distributed or is_fully_sharded(model)))
        self._on_event, self._watch = on_event, Watch()
        self._first = not started or dist.get_rank() == 0
        self._log = Guarded()
        self.probes: list[Probe] = []
        self.events: list[Event] = []
        self.steps, self.should_stop = step, False
        self._failures = 0
        options: dict[str, Any] = {
            "shares": self._shares,
            "k": k,
            "rtol": rtol,
            "smallest": smallest,
            "spheres": spheres,
            "batches": batch is not None,
            "max_matvecs": max_matvecs,
        }
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        self._prober: FittingProber | None = None
        if self._first or self._shares.several:
            self._prober = FittingProber(
                lambda data: Objective(
                    model,
                    loss,
                    data,
                    parameters=lambda _, p: p.requires_grad and id(p) in held,
                    takes=takes,
                    count=count,
                ),
                lambda objective: Prober(objective, optimizer, **options),
                chosen,
                batch=batch,
                shares=self._shares,
                say=lambda text: self._happened(Event(self.steps, "shrunk", text)),
            )
        self._ahead = False  # whether the record has a probe of this step already
        if self._first:  # only now: what cannot be measured must not touch an earlier record
            to = opened(log, step=step) if isinstance(log, Path | str) else log
            self._log = Guarded(to)
            for event in self.events:
                self._log.write(event)
            self._ahead = step > 0 and isinstance(to, RecordFile) and to.last == step

    def __enter__(self) -> "Monitor":
        """Look once before the first step, unless a budget must be earned first."""
        if self.schedule.budget is not None and not self.schedule.expected:
            self._expect()
        if self._due() and not self._shares.first(self._ahead):
            self.look()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def step(self) -> Probe | None:
        """Count one step of the optimizer; look if it is time. Call it after the step.

        Returns:
            The probe, if there was one.
        """
        self.steps += 1
        return self.look() if self._due() else None

    def _due(self) -> bool:
        """Whether to look now: all processes or none."""
        due = self.schedule.due(self.steps)
        timed = self.schedule.seconds is not None or self.schedule.budget is not None
        return self._shares.first(due) if timed else due

    @property
    def file(self) -> Path | None:
        """The file that records go to, if there is one by now."""
        return self._log.path

    def look(self) -> Probe | None:
        """Look now, whatever the schedule says; None where it failed."""
        if self._prober is None:
            return None
        began = time.perf_counter()
        probe, failure = self._prober.look(self.steps)
        seconds = time.perf_counter() - began
        self.schedule.done(self.steps, seconds)
        if probe is None:
            self._failed(failure)
            return None
        self._failures = 0
        probe = dataclasses.replace(probe, seconds=seconds)
        self.probes.append(probe)
        self._log.write(probe)
        for event in self._watch.events(probe, self._filter()):
            self._happened(event)
        return probe

    def close(self) -> None:
        """Finish the record."""
        self._log.close()

    def _filter(self) -> Filter | None:
        return None if self._prober is None else self._prober.filter

    def _expect(self) -> None:
        """Estimate what a first probe takes from the time of one gradient."""
        if self._prober is None:
            return
        began = time.perf_counter()
        seconds, failure = self._prober.first()
        self.schedule.spent += time.perf_counter() - began
        self.schedule.expected = seconds or 0.0
        if seconds is None:
            self._failed(failure)

    def _failed(self, why: str) -> None:
        """Take note of what could not be measured, and give up after some in a row."""
        self._failures += 1
        if self._failures >= _PATIENCE:
            why += " No more probes in this run."
            self._prober = None
        if self._failures in {1, _PATIENCE}:  # when it begins, and when it is the end
            self._happened(Event(self.steps, "failed", why))

    def _happened(self, event: Event) -> None:
        self.events.append(event)
        self._log.write(event)
        if callable(self._on_event):
            self._on_event(event)
        elif self._on_event == "stop":
            self.should_stop = self.should_stop or event.kind in {"past", "leak", "outside"}
        elif self._on_event == "warn" and self._first:
            warnings.warn(f"step {event.step}: {event.message}", MonitorWarning, stacklevel=4)
