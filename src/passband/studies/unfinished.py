"""What a run leaves behind until it is finished: where it stands, its log, why it failed."""

import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, Literal, final

from passband.studies.atomic import write
from passband.studies.record import Configuration

SUFFIX = ".unfinished"
BEGUN, LOG, FAILURE = "begun.json", "log.txt", "failure.json"

Status = Literal["running", "interrupted", "failed"]


@final
@dataclass(frozen=True)
class Unfinished:
    """The folder of a run that has begun.

    Args:
        folder: Beside the place where the finished run will be.
    """

    folder: Path

    def begin(self, configuration: Configuration, environment: dict[str, str]) -> None:
        """Say that a process is at it.

        Raises:
            OSError: The folder cannot be written to.
        """
        content = {
            "configuration": configuration,
            "environment": environment,
            "host": socket.gethostname(),
            "process": os.getpid(),
        }
        write(self.folder / BEGUN, json.dumps(content, ensure_ascii=False, indent=1))
        (self.folder / FAILURE).unlink(missing_ok=True)

    def log(self, text: str) -> None:
        """Add a line to the log, with the time; on a full disk there is no log."""
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        with suppress(OSError), (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{now} UTC, process {os.getpid()}: {text.rstrip()}\n")

    def fail(self, error: str, *, attempts: int) -> None:
        """Keep why it failed; on a full disk nothing is kept."""
        with suppress(OSError):
            write(self.folder / FAILURE, json.dumps({"error": error, "attempts": attempts}))

    def remove(self) -> None:
        """Remove the folder; the run is finished."""
        rmtree(self.folder, ignore_errors=True)

    @property
    def configuration(self) -> Configuration | None:
        """Of the run; None where it cannot be read."""
        found = _read(self.folder / BEGUN).get("configuration")
        return found if isinstance(found, dict) and {"study", "label"} <= found.keys() else None

    @property
    def status(self) -> Status:
        """Whether it failed, still runs (as far as this machine knows), or was interrupted."""
        if (self.folder / FAILURE).exists():
            return "failed"
        begun = _read(self.folder / BEGUN)
        here = begun.get("host") == socket.gethostname()
        return "running" if here and _alive(begun.get("process")) else "interrupted"

    @property
    def error(self) -> str:
        """Why it failed; empty if it did not."""
        return str(_read(self.folder / FAILURE).get("error", ""))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _alive(process: Any) -> bool:
    if not isinstance(process, int) or os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True
