"""Modules beside the user's file are found while a command runs."""

import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def importable(folder: Path) -> Generator[None]:
    """Find the modules of a folder first, as Python does for the folder of a script.

    Also those that a loss or an optimizer imports only when it is called. What the user's code
    adds to the path itself stays.
    """
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        with suppress(ValueError):  # the user's code has taken it out
            sys.path.remove(entry)
