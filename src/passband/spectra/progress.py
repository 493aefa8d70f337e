"""Saying how far an iteration is, to a person or to a program."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

_PATIENCE = 2.0  # seconds before a bar appears


@final
@dataclass(frozen=True, slots=True)
class Step:
    """Where an iteration is after a product.

    Attributes:
        phase: ``"searching"``, ``"verifying"`` or ``"writing out"``.
        matvecs: Products spent.
        limit: Products allowed.
        values: Current values of the wanted eigenvalues.
        errors: Their estimated errors.
    """

    phase: str
    matvecs: int
    limit: int
    values: Sequence[float]
    errors: Sequence[float]


Listener = Callable[[Step], Any]


@final
class Bar:
    """A progress bar on a terminal, once an iteration takes longer than two seconds."""

    def __init__(self, *, wanted: bool | None) -> None:
        self._began = time.monotonic()
        self._on = sys.stderr.isatty() if wanted is None else wanted
        self._progress: Any = None
        self._task: Any = None

    def __call__(self, step: Step) -> None:
        """Show where the iteration is."""
        if not self._on or (self._progress is None and self._young):
            return
        if self._progress is None:
            from rich.console import Console
            from rich.progress import Progress

            self._progress = Progress(console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task(step.phase, total=step.limit)
            self._progress.start()
        worst = max(step.errors, default=0.0)
        text = f"{step.phase}: {step.values[0]:.5g} and others, error {worst:.1e}"
        self._progress.update(self._task, completed=step.matvecs, description=text)

    @property
    def _young(self) -> bool:
        return time.monotonic() - self._began < _PATIENCE

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
