"""A folder of runs: each written whole or not at all, found again by configuration."""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import final

from passband.studies import codec
from passband.studies.atomic import PREVIOUS, TEMPORARY, read_folder, write_folder
from passband.studies.record import Configuration, Record, name_of
from passband.studies.unfinished import SUFFIX, Unfinished

DAMAGED = "damaged"
_OLD = 3600.0


@final
@dataclass(frozen=True)
class Store:
    """One folder a run, named by its configuration; merging two stores is copying their folders.

    A folder is written beside its place and renamed into it, so that readers and crashes find
    the old one or the new one. Every file has a checksum; a run with a file that is missing or
    not what was written counts as missing and is reported. Nothing is ever locked: runs are
    deterministic, so two processes that do the same one write the same numbers.

    Args:
        folder: Where the runs are; made when the first one is saved.
        on_unreadable: Told, in a sentence, of each run that counts as missing.
        repair: Move what is damaged into ``damaged/``, instead of leaving it where it is.
    """

    folder: Path
    on_unreadable: Callable[[str], None] = field(default=lambda _: None, repr=False)
    repair: bool = False

    def path(self, configuration: Configuration) -> Path:
        """Return where a finished run is, or would be."""
        return self.folder / name_of(configuration)

    def unfinished(self, configuration: Configuration) -> Unfinished:
        """Return what a run leaves behind until it is finished."""
        return Unfinished(self.folder / (name_of(configuration) + SUFFIX))

    def save(self, record: Record, attachments: Mapping[str, bytes] | None = None) -> Path:
        """Write a run, replacing an older one of the same configuration.

        Args:
            record: What to write.
            attachments: Further files, by name.

        Raises:
            OSError: It cannot be written; an older one is still there.
            MissingExtraError: ``polars`` or ``safetensors`` is not installed.
        """
        path = self.path(record.configuration)
        write_folder(path, codec.pack(record, attachments))
        return path

    def load(self, configuration: Configuration) -> Record | None:
        """Return the record of a configuration, or None if there is none that can be read."""
        return self.read(self.path(configuration))

    def __iter__(self) -> Iterator[Record]:
        """Iterate over every readable record, in the order of names."""
        for path in self.finished():
            if record := self.read(path):
                yield record

    def finished(self) -> list[Path]:
        """Return the folders of finished runs, readable or not, in the order of names."""
        return sorted(path.parent for path in self.folder.glob(f"[!.]*/{codec.RUN}"))

    def unfinished_runs(self) -> list[Unfinished]:
        """Return what runs that go on, were interrupted or failed left, in the order of names."""
        return [Unfinished(path) for path in sorted(self.folder.glob(f"[!.]*{SUFFIX}"))]

    def read(self, path: Path) -> Record | None:
        """Return the record in a folder, or None if there is none that can be read."""
        try:
            record = codec.unpack(read_folder(path, _files))
            if record.name != path.name:
                raise ValueError(f"its content belongs into {record.name}.")
        except (ValueError, OSError) as error:
            if isinstance(error, FileNotFoundError) and not path.is_dir():
                return None
            self._report(path, error)
            return None
        return record

    def _report(self, path: Path, error: Exception) -> None:
        where = ""
        damaged = isinstance(error, ValueError | FileNotFoundError)
        if self.repair and damaged and (moved := self.set_aside(path)):
            where = f" It is now in {moved}."
        self.on_unreadable(f"{path} cannot be used: {error}{where}")

    def set_aside(self, path: Path) -> Path | None:
        """Move a folder into ``damaged/``; return where, or None if it cannot be moved."""
        damaged = self.folder / DAMAGED
        try:
            damaged.mkdir(exist_ok=True)
            for i in itertools.count(1):
                target = damaged / f"{path.name}.{i}"
                if not target.exists():
                    return path.rename(target)
        except OSError:
            pass
        return None

    def prune(self, *, older_than: float = _OLD) -> list[Path]:
        """Remove ``damaged/``, and what processes that were killed while writing left behind.

        Args:
            older_than: Seconds; younger leftovers may belong to a process that still writes.

        Returns:
            What was removed.
        """
        removed = [path for path in [self.folder / DAMAGED] if path.is_dir()]
        for path in self.folder.glob(".*"):
            ours = path.name.startswith((TEMPORARY, PREVIOUS))
            if not (ours and _age(path) > older_than):
                continue
            name = path.name.removeprefix(PREVIOUS).rsplit(".", 1)[0]
            if path.name.startswith(TEMPORARY) or (self.folder / name).is_dir():
                removed.append(path)
        for path in removed:
            rmtree(path, ignore_errors=True)
        return removed


def _age(path: Path) -> float:
    """Return the seconds since a file was written; -inf for one that another process removed."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return -math.inf


def _files(folder: Path) -> dict[str, bytes]:
    """Return ``run.json`` and the files it lists; those that are not there are left out."""
    found = {codec.RUN: (folder / codec.RUN).read_bytes()}
    for name in codec.listed(found[codec.RUN])["files"]:
        if (folder / name).is_file() and Path(name).name == name:
            found[name] = (folder / name).read_bytes()
    return found
