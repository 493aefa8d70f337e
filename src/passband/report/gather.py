"""From a folder of records to everything a report says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from passband.studies import STUDIES, Claim, Plan, Record, Store
from passband.studies.exhibits import Exhibit
from passband.studies.plan import RECORDS, Part


@final
@dataclass(frozen=True, kw_only=True)
class Section:
    """One study of a report.

    Attributes:
        name: Of the study.
        title: Of the study.
        question: What it asks.
        source: Where it comes from.
        claims: With the verdicts of the records.
        exhibits: Tables and figures.
        notes: What single runs have to say: divergences, plateaus that were not reached.
        missing: Labels of runs without a record.
        runs: Number of runs with a record.
    """

    name: str
    title: str
    question: str
    source: str
    claims: tuple[Claim, ...]
    exhibits: tuple[Exhibit, ...]
    notes: tuple[str, ...]
    missing: tuple[str, ...]
    runs: int


@final
@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything a report says.

    Attributes:
        command: What made the records; empty if it is not known.
        sections: One for each study.
        problems: Files that could not be used.
        environments: Where the runs were done, each with the number of runs.
        seconds: Of one core, all runs together.
    """

    command: str
    sections: tuple[Section, ...]
    problems: tuple[str, ...]
    environments: tuple[tuple[str, int], ...]
    seconds: float

    @property
    def claims(self) -> tuple[Claim, ...]:
        """All claims, in the order of sections."""
        return tuple(claim for section in self.sections for claim in section.claims)

    @property
    def verdicts(self) -> Counter[str]:
        """How many claims have which verdict."""
        return Counter(claim.verdict for claim in self.claims)


def gather(folder: Path) -> Report:
    """Read a folder that ``passband demo`` wrote; nothing is measured.

    Records that are missing or cannot be read are listed, and the rest is shown.

    Raises:
        ValueError: The folder has neither a plan nor records.
    """
    problems: list[str] = []
    store = Store(folder / RECORDS, on_unreadable=problems.append)
    plan = Plan.load(folder)
    sections: list[Section] = []
    everything: list[Record] = []
    for part in plan.parts:
        if part.study not in STUDIES:
            problems.append(f"study {part.study!r} is not known; known: {', '.join(STUDIES)}.")
            continue
        found = [(run, _readable(part.study, store.load(run), problems)) for run in part.runs]
        records = [record for _, record in found if record is not None]
        missing = [str(run.get("label", "?")) for run, record in found if record is None]
        sections.append(_section(part, records, missing))
        everything += records
    return Report(
        command=plan.command,
        sections=tuple(sections),
        problems=tuple(problems),
        environments=tuple(Counter(map(_environment, everything)).most_common()),
        seconds=sum(record.seconds for record in everything),
    )


def _section(part: Part, records: Sequence[Record], missing: Sequence[str]) -> Section:
    study = STUDIES[part.study]
    notes = [
        f"{record.configuration['label']}: {note}"
        for record in records
        for note in record.measured.notes
    ]
    return Section(
        name=study.name,
        title=study.title,
        question=study.question,
        source=study.source,
        claims=tuple(study.claims(records)),
        exhibits=tuple(study.exhibits(records)),
        notes=tuple(notes),
        missing=tuple(missing),
        runs=len(records),
    )


def _readable(study: str, record: Record | None, problems: list[str]) -> Record | None:
    """Return the record unless its study cannot read it: edited by hand, or of another version."""
    if record is not None:
        try:
            STUDIES[study].claims([record])
            STUDIES[study].exhibits([record])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            problems.append(
                f"{record.name} lacks what its study shows ({type(error).__name__}: {error}). "
                "Remove it, and the same command measures it again."
            )
            return None
    return record


def _environment(record: Record) -> str:
    e = record.environment
    return (
        f"passband {e.get('passband', '?')}, torch {e.get('torch', '?')}, Python "
        f"{e.get('python', '?')}, {e.get('platform', '?')}, {e.get('device', '?')}, "
        f"{e.get('threads', '?')} thread a run"
    )
