"""What a folder of results is meant to hold: studies, their runs, and the command that made it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from passband.studies.atomic import write
from passband.studies.record import Configuration
from passband.studies.store import Store
from passband.studies.study import Study

FILE = "plan.json"
RECORDS = "records"


@final
@dataclass(frozen=True, kw_only=True)
class Part:
    """A study of a plan, by name, with the configurations of its runs."""

    study: str
    runs: tuple[Configuration, ...]


@final
@dataclass(frozen=True, kw_only=True)
class Plan:
    """The studies of one command, so that its report can be made from the folder alone.

    Attributes:
        command: What was typed; empty if it is not known.
        parts: The studies, in the order of the report.
    """

    command: str
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, studies: Sequence[Study], *, command: str) -> "Plan":
        """Return the plan of some studies."""
        parts = tuple(
            Part(study=study.name, runs=tuple(run.configuration() for run in study.runs()))
            for study in studies
        )
        return cls(command=command, parts=parts)

    def save(self, folder: Path) -> None:
        """Write the plan into its folder, atomically.

        Raises:
            OSError: The folder cannot be made or written to.
        """
        content = {
            "command": self.command,
            "parts": [{"study": part.study, "runs": part.runs} for part in self.parts],
        }
        write(folder / FILE, json.dumps(content, ensure_ascii=False, indent=1))

    @classmethod
    def load(cls, folder: Path) -> "Plan":
        """Return the plan of a folder; without a plan, whatever its records are.

        Raises:
            ValueError: The folder holds neither a plan nor records, or a plan that is damaged.
        """
        path = folder / FILE
        try:
            content: Any = json.loads(path.read_text(encoding="utf-8"))
            parts = tuple(
                Part(study=str(part["study"]), runs=tuple(map(dict, part["runs"])))
                for part in content["parts"]
            )
            return cls(command=str(content["command"]), parts=parts)
        except FileNotFoundError:
            return cls._from_records(folder)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} is damaged ({type(error).__name__}: {error}). Remove it to report on "
                "all records in the folder, or start the same command again."
            ) from None

    @classmethod
    def _from_records(cls, folder: Path) -> "Plan":
        runs: dict[str, list[Configuration]] = {}
        for record in Store(folder / RECORDS):
            runs.setdefault(record.study, []).append(record.configuration)
        if not runs:
            raise ValueError(
                f"{folder} holds no records. Give the folder that `passband demo --out` wrote."
            )
        parts = tuple(Part(study=name, runs=tuple(found)) for name, found in runs.items())
        return cls(command="", parts=parts)
