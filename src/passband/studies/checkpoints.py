"""Where a training goes on after an interruption, bit by bit as if there had been none."""

import hashlib
import io
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from passband.studies.atomic import write

MANIFEST, PREFIX = "checkpoint.json", "checkpoint-"
EVERY = 30.0
"""Seconds between two checkpoints."""

State = dict[str, Any]
"""Tensors, numbers, strings, lists and dictionaries: what ``torch.load`` reads as data alone."""


@final
@dataclass
class Checkpoints:
    """Keeps the latest state of one run in its folder.

    A state is written to a file of its own name; then the manifest, with its checksum, is
    replaced. So there is always one whole checkpoint. One that is damaged, or was made in
    another environment (which may round otherwise), is reported and not used.

    Args:
        folder: Where they are kept; None keeps nothing.
        every: Seconds between two of them.
        owner: What must agree for a checkpoint to be used: the run, and where it is done.
        keep: Whether the last state is kept with the finished run.
        tell: Told, in a sentence, what was taken over, and what could not be used or written.

    Attributes:
        seconds: Of one core, spent before this process.
    """

    folder: Path | None = None
    every: float = EVERY
    owner: Mapping[str, Any] = field(default_factory=dict[str, Any])
    keep: bool = False
    tell: Callable[[str], None] = field(default=lambda _: None, repr=False)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if not self.every >= 0:
            raise ValueError(f"`every` must be seconds, 0 or more; got {self.every!r}.")
        self._last = time.monotonic()
        self._began = time.process_time()

    def load(self) -> State | None:
        """Return the latest state, or None if there is none that can be used."""
        if self.folder is None:
            return None
        try:
            manifest = json.loads((self.folder / MANIFEST).read_bytes())
            data = (self.folder / Path(manifest["file"]).name).read_bytes()
            if hashlib.sha256(data).hexdigest() != manifest["sha256"]:
                raise ValueError("its checksum differs")
            if manifest["owner"] != json.loads(json.dumps(self.owner)):
                raise ValueError("it was made by another run or in another environment")
            state = _read(data)
            self.seconds = float(manifest["seconds"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            if (self.folder / MANIFEST).exists():
                self.tell(f"the checkpoint in {self.folder} is not used: {error}.")
            return None
        self.tell(f"goes on from a checkpoint after {self.seconds:.1f} s of work.")
        return state

    def offer(self, state: Callable[[], State], *, last: bool = False) -> None:
        """Keep a state if it is time; a disk that is full does not stop the training.

        Args:
            state: Makes the state; called only if it is kept.
            last: The training has ended.
        """
        wanted = last and self.keep
        if self.folder is None or not (wanted or time.monotonic() - self._last >= self.every):
            return
        try:
            self.save(state())
        except OSError as error:
            self.tell(f"no checkpoint could be written into {self.folder}: {error}.")
        self._last = time.monotonic()

    def save(self, state: State) -> None:
        """Keep a state, in place of the one before.

        Raises:
            OSError: It cannot be written; the one before is still there.
        """
        if self.folder is None:
            return
        data = _write(state)
        digest = hashlib.sha256(data).hexdigest()
        name = f"{PREFIX}{digest[:12]}.pt"
        write(self.folder / name, data)
        manifest = {
            "file": name,
            "sha256": digest,
            "seconds": self.seconds + time.process_time() - self._began,
            "owner": dict(self.owner),
        }
        write(self.folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1))
        for path in self.folder.glob(f"{PREFIX}*.pt"):
            if path.name != name:
                path.unlink(missing_ok=True)

    def kept(self) -> dict[str, bytes]:
        """Return the last state as a file of the finished run, if it is to be kept."""
        if self.folder is None or not self.keep or not (self.folder / MANIFEST).exists():
            return {}
        manifest = json.loads((self.folder / MANIFEST).read_bytes())
        return {"checkpoint.pt": (self.folder / manifest["file"]).read_bytes()}

    def elapsed(self) -> float:
        """Return seconds of one core, those before this process included."""
        return self.seconds + time.process_time() - self._began


NOWHERE = Checkpoints(every=math.inf)
"""Keeps nothing and has nothing."""


def _write(state: State) -> bytes:
    import torch

    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def _read(data: bytes) -> State:
    import pickle

    import torch

    try:
        return torch.load(io.BytesIO(data), weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise ValueError(f"it cannot be read: {error}".splitlines()[0]) from None
