"""Files and folders that are there whole or not at all, whatever happens while they are written."""

import errno
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

TEMPORARY, PREVIOUS = ".new.", ".previous."
_TRIES = 100
_STALE = 60.0
"""Seconds after which what another writer has put aside is nobody's."""

_SURE = 2
_WAITS = (0.0, 0.0, 0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


def write(path: Path, content: str | bytes) -> None:
    """Write a file atomically: readers see the old content or the new, never half of it.

    Raises:
        OSError: The folder cannot be made or written to, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        _fill(descriptor, content.encode() if isinstance(content, str) else content, path)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Put a folder with these files in place, atomically, instead of one that is there.

    The files are written into a folder beside it, which is renamed. A folder cannot be renamed
    over another, so an old one is first renamed to a name that `read_folder` knows: a crash or
    a reader between the two renames finds the old content. Of two writers the last one stays.

    Raises:
        OSError: Something cannot be written, or the disk is full; the old content is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{TEMPORARY}{path.name}."))
    try:
        for name, content in files.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            _fill(os.open(temporary / name, flags, 0o644), content, path / name)
        temporary.chmod(0o755)
        aside = _move_into_place(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for previous in previous_of(path):
        if previous in aside or time.time() - _changed(previous) > _STALE:
            with suppress(OSError):  # first out of the sight of readers
                previous.rename(temporary)
            shutil.rmtree(temporary, ignore_errors=True)


def _fill(descriptor: int, content: bytes, path: Path) -> None:
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:  # it does not say where
        raise OSError(error.errno, error.strerror, str(path)) from error


def _move_into_place(temporary: Path, path: Path) -> list[Path]:
    """Rename a folder over another; return where that one is now."""
    aside: list[Path] = []
    for last in [False] * _TRIES + [True]:
        try:
            temporary.rename(path)
        except OSError as error:
            if last or error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
        else:
            break
        aside.append(Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{PREVIOUS}{path.name}.")))
        with suppress(FileNotFoundError):  # another writer was faster
            path.rename(aside[-1])  # over an empty folder
    return aside


def _changed(path: Path) -> float:
    try:
        return path.stat().st_ctime
    except FileNotFoundError:
        return math.inf


def previous_of(path: Path) -> list[Path]:
    """Return what `write_folder` has put aside of a folder, if it was stopped there."""
    return sorted(path.parent.glob(f"{PREVIOUS}{path.name}.*"))


def read_folder(path: Path, read: Callable[[Path], dict[str, bytes]]) -> dict[str, bytes]:
    """Return what ``read`` finds in a folder, the old content or the new, never some of each.

    Args:
        path: The folder.
        read: Returns the files of a folder; called again if another folder took its place
            meanwhile.

    Raises:
        FileNotFoundError: There is no such folder.
        OSError: It cannot be read.
    """
    absent = 0
    for wait in _WAITS:
        time.sleep(wait)
        for place in (path, *previous_of(path)):
            before = _identity(place)
            if before is None:
                continue
            try:
                found = read(place)
            except FileNotFoundError:
                if place == path and _identity(place) == before:
                    raise
            else:
                if _identity(place) == before:
                    return found
        absent = absent + 1 if _identity(path) is None and not previous_of(path) else 0
        if absent > _SURE:  # not just between two renames
            raise FileNotFoundError(2, "there is no such folder", str(path))
    raise OSError(f"{path} changes faster than it can be read.")


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Return what differs between two folders that have had the same name."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns
