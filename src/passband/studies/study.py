"""A study is a set of runs and what is claimed of their records."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, final

from passband.studies.checkpoints import NOWHERE, Checkpoints
from passband.studies.claims import Claim
from passband.studies.exhibits import Exhibit
from passband.studies.record import Configuration, Measurement, Record


@dataclass(frozen=True, kw_only=True)
class Run(ABC):
    """One training with one measurement; plain numbers, so that its record can be found again.

    Subclasses are frozen dataclasses; their fields decide the result, all of them and nothing
    else does.

    Args:
        seed: What initial weights and batches are drawn from.
    """

    study: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised when the measurement changes: older records no longer count."""

    seed: int = 0

    @property
    def device(self) -> str:
        """Where it computes, as torch calls it."""
        return "cpu"

    @property
    @abstractmethod
    def label(self) -> str:
        """What tells this run from the others of its study, for people."""

    @property
    @abstractmethod
    def cost(self) -> float:
        """Expected seconds of one core, roughly: to order runs and to estimate what remains."""

    @abstractmethod
    def measure(self, checkpoints: Checkpoints = NOWHERE) -> Measurement:
        """Do the work. Deterministic: the same configuration gives the same numbers.

        Args:
            checkpoints: Where a long run keeps how far it is, and finds it after an
                interruption; it then goes on bit by bit as if there had been none.
        """

    @final
    def configuration(self) -> Configuration:
        """Return everything that decides the result, as JSON keeps it."""
        content = {
            "study": self.study,
            "version": self.version,
            "label": self.label,
            **asdict(self),
        }
        return json.loads(json.dumps(content, allow_nan=False))


class Study(ABC):
    """What is measured, and what is claimed and shown of it.

    Subclasses are frozen dataclasses of plain numbers. `claims` and `exhibits` read records
    alone, so that a report can be made again tomorrow without training; they must cope with
    runs that are missing or diverged.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    question: ClassVar[str]

    @abstractmethod
    def runs(self) -> Sequence[Run]:
        """Return every run of the study, in the order of tables."""

    @classmethod
    @abstractmethod
    def claims(cls, records: Sequence[Record]) -> list[Claim]:
        """Return what is claimed, each with the verdict of the records."""

    @classmethod
    @abstractmethod
    def exhibits(cls, records: Sequence[Record]) -> list[Exhibit]:
        """Return the tables and figures that show the records."""


def check_seeds(seeds: int | None) -> None:
    """Refuse a number of seeds that is not positive; None is a study's own number.

    Raises:
        ValueError: It is not.
    """
    if seeds is not None and not seeds >= 1:
        raise ValueError(f"`seeds` must be 1 or more; got {seeds!r}.")
