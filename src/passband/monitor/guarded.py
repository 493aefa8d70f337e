"""A log whose faults end the log, and nothing else."""

import warnings
from contextlib import suppress
from pathlib import Path
from typing import final

from passband.errors import MonitorWarning, first_line
from passband.monitor.events import Event
from passband.monitor.logs import Log
from passband.monitor.probe import Probe


@final
class Guarded:
    """A log that may fail: then it is closed and left, with a warning, and training goes on.

    Args:
        log: Where records go; nowhere, if not given.
    """

    def __init__(self, log: Log | None = None) -> None:
        self._log = log
        self._path: Path | None = None

    @property
    def path(self) -> Path | None:
        """The file that records go to, if there is one by now, also once it is closed."""
        return getattr(self._log, "path", self._path)

    def write(self, record: Probe | Event) -> None:
        """Take in one record."""
        try:
            if self._log is not None:
                self._log.write(record)
        except Exception as error:  # a full disk, a network that is down
            with suppress(Exception):
                self._close()
            _warn("the monitor stops writing", error)

    def close(self) -> None:
        """Finish."""
        try:
            self._close()
        except Exception as error:
            _warn("the monitor's log could not be closed", error)

    def _close(self) -> None:
        log, self._path, self._log = self._log, self.path, None
        if log is not None:
            log.close()


def _warn(what: str, error: Exception) -> None:
    said = first_line(error) or type(error).__name__
    warnings.warn(f"{what}: {said}", MonitorWarning, stacklevel=5)
