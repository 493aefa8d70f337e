"""Files from the network, kept in a cache and compared with their published checksums."""

import hashlib
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import final

_CHUNK = 2**20
_TIMEOUT = 60.0


@final
@dataclass(frozen=True, slots=True)
class File:
    """A published file.

    Attributes:
        name: In the cache.
        url: Where it is.
        md5: Checksum, as published.
    """

    name: str
    url: str
    md5: str


def cache_folder() -> Path:
    """Return where data sets are kept: ``$PASSBAND_DATA``, or ``~/.cache/passband``."""
    chosen = os.environ.get("PASSBAND_DATA")
    return Path(chosen) if chosen else Path.home() / ".cache" / "passband"


def fetch(file: File, folder: Path | None = None) -> Path:
    """Return the path of a file, downloaded if it is not in the cache, and checked.

    Raises:
        OSError: It cannot be downloaded; the message says where to put it by hand.
        ValueError: What is there or was downloaded has another checksum.
    """
    folder = cache_folder() if folder is None else folder
    path = folder / file.name
    if path.exists():
        _check(path, file)
        return path
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with (
            urllib.request.urlopen(file.url, timeout=_TIMEOUT) as source,
            partial.open("wb") as target,
        ):
            while chunk := source.read(_CHUNK):
                target.write(chunk)
        _check(partial, file)
        partial.replace(path)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise OSError(
            f"{file.name} could not be downloaded from {file.url}: {error}. Without a network put "
            f"it at {path} by hand, or use the images that come with a package: --data subset."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def _check(path: Path, file: File) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != file.md5:
        raise ValueError(
            f"{path} is not the published {file.name}: its MD5 is {digest.hexdigest()}, expected "
            f"{file.md5}. Remove it and try again."
        )
