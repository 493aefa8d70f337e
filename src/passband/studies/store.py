"""A folder of records: written whole or not at all, found again by configuration."""

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from passband.studies.record import Configuration, Record, name_of


@final
@dataclass(frozen=True)
class Store:
    """One JSON file a run, in a folder; merging two stores is copying their files.

    A file is written beside its place and renamed into it, so a crash leaves the old file or
    the new one. A file that cannot be read as the record its name promises counts as missing
    and is reported.

    Args:
        folder: Where the files are; made when the first record is saved.
        on_unreadable: Told, in a sentence, of each file that counts as missing.
    """

    folder: Path
    on_unreadable: Callable[[str], None] = field(default=lambda _: None, repr=False)

    def path(self, configuration: Configuration) -> Path:
        """Return where the record of a configuration is, or would be."""
        return self.folder / f"{name_of(configuration)}.json"

    def save(self, record: Record) -> Path:
        """Write a record, replacing an older one of the same configuration."""
        path = self.path(record.configuration)
        write(path, record.to_json())
        return path

    def load(self, configuration: Configuration) -> Record | None:
        """Return the record of a configuration, or None if there is none that can be read."""
        return self._read(self.path(configuration))

    def __iter__(self) -> Iterator[Record]:
        """Iterate over every readable record, in the order of file names."""
        for path in sorted(self.folder.glob("*.json")):
            if record := self._read(path):
                yield record

    def _read(self, path: Path) -> Record | None:
        try:
            record = Record.from_json(path.read_text(encoding="utf-8"))
            if record.name != path.stem:
                raise ValueError(f"its content belongs into {record.name}.json.")
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:  # a wrong encoding is a ValueError too
            self.on_unreadable(f"{path} cannot be used: {error}")
            return None
        return record


def write(path: Path, text: str) -> None:
    """Write a text file atomically: readers see the old content or the new, never half of it.

    Raises:
        OSError: The folder cannot be made or written to, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
