"""An append-only file of probes and events, one JSON object a line."""

import dataclasses
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

from passband.monitor.events import Event
from passband.monitor.probe import Probe

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
        step: Where training goes on; what an earlier run wrote of later steps is dropped.
    """

    path: Path
    last: int | None

    def __init__(self, path: Path | str, *, step: int = 0) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = [e for e in _entries(self.path) if e.get("step", 0) <= step] if self._old() else []
        if step == 0:
            kept = []
        whole = "".join(_line(entry) for entry in kept)
        if self._old() and self.path.read_text(encoding="utf-8", errors="replace") != whole:
            temporary = self.path.with_name(f".{self.path.name}.tmp")
            temporary.write_text(whole, encoding="utf-8")
            temporary.replace(self.path)
        self.last = max((int(e["step"]) for e in kept if "kind" not in e), default=None)
        self._file = self.path.open("a", encoding="utf-8")

    def _old(self) -> bool:
        return self.path.exists()

    def write(self, record: Probe | Event) -> None:
        """Append one record and wait until it is on disk."""
        self._file.write(_line(dataclasses.asdict(record)))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(_plain(entry), ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
