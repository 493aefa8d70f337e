"""An append-only file of probes and events, one JSON object a line."""

import dataclasses
import itertools
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

from passband.monitor.events import Event
from passband.monitor.probe import Probe

FOLDER = Path("runs/monitor")  # where what has no other name goes
_FIELDS = {field.name for field in dataclasses.fields(Probe)}


def read_records(path: Path | str) -> tuple[list[Probe], list[Event]]:
    """Return the probes and events of a file, also of one that is still being written.

    A last line that was cut off, and lines that are no records, are left out.

    Raises:
        OSError: The file cannot be read.
    """
    probes: list[Probe] = []
    events: list[Event] = []
    for entry in _entries(Path(path)):
        try:
            if "kind" in entry:
                events.append(Event(int(entry["step"]), entry["kind"], str(entry["message"])))
            else:
                known = {k: _number(v) for k, v in entry.items() if k in _FIELDS}
                probes.append(Probe(**known))
        except (KeyError, TypeError, ValueError):
            continue
    return probes, events


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def _number(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _number(part) for key, part in value.items()}
    return math.nan if value is None else value


@final
class RecordFile:
    """Appends lines, each on disk before the next step: a crash loses at most the last one.

    Args:
        path: The file; its folder is made.
        step: Where training goes on; what an earlier run wrote of later steps is dropped. At 0
            training begins: a file of an earlier run is moved aside, ``r.jsonl`` to ``r.1.jsonl``
            or the next number that is free, so that nothing of it is lost.
    """

    path: Path
    last: int | None

    def __init__(self, path: Path | str, *, step: int = 0) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        old = self.path.is_file() and self.path.stat().st_size > 0
        kept = [e for e in _entries(self.path) if e.get("step", 0) <= step] if old and step else []
        if old and not step:
            _set_aside(self.path)
        elif old:
            _rewrite(self.path, "".join(_line(entry) for entry in kept))
        self.last = max((int(e["step"]) for e in kept if "kind" not in e), default=None)
        self._file = self.path.open("a", encoding="utf-8")

    def write(self, record: Probe | Event) -> None:
        """Append one record and wait until it is on disk."""
        self._file.write(_line(dataclasses.asdict(record)))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@final
class NewFile:
    """A `RecordFile` of its own in a folder, named by the time of its first record.

    Args:
        folder: Where; it is made with the first record.
        step: Where training goes on.
    """

    def __init__(self, folder: Path | str = FOLDER, *, step: int = 0) -> None:
        self._folder, self._step = Path(folder), step
        self._file: RecordFile | None = None

    @property
    def path(self) -> Path | None:
        """The file, once there is a record."""
        return None if self._file is None else self._file.path

    def write(self, record: Probe | Event) -> None:
        """Append one record and wait until it is on disk."""
        if self._file is None:
            name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
            self._folder.mkdir(parents=True, exist_ok=True)
            taken = (self._folder / f"{name}{n or ''}.jsonl" for n in itertools.count())
            path = next(path for path in taken if not path.exists())
            self._file = RecordFile(path, step=self._step)
        self._file.write(record)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def opened(path: Path | str, *, step: int = 0) -> RecordFile | NewFile:
    """Return a file to append to: this one, or a new one where the path is a folder."""
    is_folder = Path(path) == FOLDER or Path(path).is_dir()
    return NewFile(path, step=step) if is_folder else RecordFile(path, step=step)


def newest(folder: Path | str = FOLDER) -> Path | None:
    """Return the record in a folder that was written to last."""
    files = Path(folder).glob("*.jsonl")
    return max(files, key=lambda file: file.stat().st_mtime, default=None)


def _set_aside(path: Path) -> None:
    """Move a file to the first name beside it that is free: ``r.jsonl`` to ``r.1.jsonl``."""
    for n in itertools.count(1):
        aside = path.with_name(f"{path.stem}.{n}{path.suffix}")
        try:
            aside.touch(exist_ok=False)  # the name is ours from here on, whoever else looks for one
        except FileExistsError:
            continue
        path.replace(aside)
        return


def _rewrite(path: Path, text: str) -> None:
    """Write a file anew, whole or not at all, unless it is the same already."""
    if path.read_text(encoding="utf-8", errors="replace") == text:
        return
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(_plain(entry), ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
