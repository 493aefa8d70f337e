"""What a store holds, as rows: to be listed, chosen, compared and handed on."""

import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, final

from passband.errors import require
from passband.studies.record import Configuration, Measurement, Record, name_of
from passband.studies.store import Store
from passband.studies.unfinished import Status as UnfinishedStatus

Status = Literal["finished"] | UnfinishedStatus
Value = str | float | bool | None
_DESCRIBES = ("study", "version", "label")


@final
@dataclass(frozen=True, kw_only=True)
class Entry:
    """One run of a store, whatever has become of it.

    Attributes:
        name: Of its folder.
        configuration: What decides its result.
        status: How far it is.
        record: What was measured; None if it is not finished.
        error: Why it failed.
    """

    name: str
    configuration: Configuration
    status: Status
    record: Record | None = None
    error: str = ""

    @property
    def settings(self) -> dict[str, Value]:
        """The configuration without nesting: ``{"method.lr": 0.1, "seed": 0, …}``."""
        return dict(_flat(self.configuration))

    @property
    def measured(self) -> Measurement:
        """What was measured; nothing if it is not finished."""
        return self.record.measured if self.record else Measurement()

    def row(self) -> dict[str, Value]:
        """Return everything that is one number or word, as one row of a table."""
        c = self.configuration
        head: dict[str, Value] = {
            "name": self.name,
            "study": c["study"],
            "label": c["label"],
            "status": self.status,
            "error": self.error or None,
            "seconds": self.record.seconds if self.record else None,
        }
        settings = {k: v for k, v in self.settings.items() if k not in _DESCRIBES}
        metrics: dict[str, Value] = {f"metric.{k}": v for k, v in self.measured.metrics.items()}
        return head | settings | metrics


def entries(store: Store) -> list[Entry]:
    """Return every run of a store, finished or not, by study and label."""
    finished = [
        Entry(name=r.name, configuration=r.configuration, status="finished", record=r)
        for r in store
    ]
    names = {entry.name for entry in finished}
    for unfinished in store.unfinished_runs():
        configuration = unfinished.configuration
        if configuration is not None and (name := name_of(configuration)) not in names:
            finished.append(
                Entry(
                    name=name,
                    configuration=configuration,
                    status=unfinished.status,
                    error=unfinished.error,
                )
            )
    return sorted(finished, key=lambda e: (str(e.configuration["study"]), e.name))


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Value]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value) if isinstance(value, list) else value


def where(found: Sequence[Entry], conditions: Sequence[str]) -> list[Entry]:
    """Return the entries that fulfil all conditions, such as ``"momentum=0.9"``.

    A name is a setting, its last part where that is enough (``momentum`` for
    ``method.momentum``), a metric, or ``status``. Besides ``=`` there are ``!=``, ``<``, ``>``,
    ``<=`` and ``>=`` for numbers.

    Raises:
        ValueError: A condition cannot be read, or no run has what it names.
    """
    for condition in conditions:
        name, relation, value = _condition(condition)
        keys = {key for entry in found for key in _searchable(entry) if _names(key, name)}
        if found and not keys:
            known = sorted({key for entry in found for key in _searchable(entry)})
            near = get_close_matches(name, [*known, *(k.split(".")[-1] for k in known)], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise ValueError(f"no run has {name!r}{hint} Known: {', '.join(known)}.")
        found = [
            entry
            for entry in found
            if any(_holds(_searchable(entry).get(key), relation, value) for key in keys)
        ]
    return list(found)


def _searchable(entry: Entry) -> dict[str, Value]:
    return entry.settings | {"status": entry.status} | dict(entry.measured.metrics)


def _names(key: str, name: str) -> bool:
    return key == name or key.endswith(f".{name}")


def _condition(text: str) -> tuple[str, str, str]:
    for relation in ("!=", "<=", ">=", "=", "<", ">"):
        name, found, value = text.partition(relation)
        if found and name.strip() and value.strip():
            return name.strip(), relation, value.strip()
    raise ValueError(f'a condition is written "name=value" or "name<number"; got {text!r}.')


def _holds(value: Value, relation: str, wanted: str) -> bool:
    if value is None and relation not in {"=", "!="}:
        return False
    try:
        a, b = float(str(value)), float(wanted)
    except ValueError:
        same = str(value).lower() == wanted.lower()
        return same if relation == "=" else not same if relation == "!=" else False
    match relation:
        case "=":
            return math.isclose(a, b, rel_tol=1e-9)
        case "!=":
            return not math.isclose(a, b, rel_tol=1e-9)
        case "<":
            return a < b
        case ">":
            return a > b
        case "<=":
            return a <= b
        case _:
            return a >= b


def difference(first: Entry, second: Entry) -> list[tuple[str, str, str]]:
    """Return settings and metrics of two runs that differ: name, value here, value there."""
    rows: list[tuple[str, str, str]] = []
    for a, b in (
        (first.settings, second.settings),
        (dict(first.measured.metrics), dict(second.measured.metrics)),
    ):
        for key in dict.fromkeys([*a, *b]):
            one, other = written(a.get(key)), written(b.get(key))
            if one != other:
                rows.append((key, one, other))
    return rows


def written(value: Value) -> str:
    """Write a value as tables do."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "—" if value is None else str(value)


def export(found: Sequence[Entry], path: Path) -> bytes:
    """Return the rows of some entries as a file; its ending decides the format.

    Raises:
        ValueError: The ending is not ``.csv``, ``.parquet`` or ``.json``.
        MissingExtraError: ``polars`` is not installed.
    """
    require("polars", extra="studies")
    import polars as pl

    rows = [entry.row() for entry in found]
    columns = dict.fromkeys(key for row in rows for key in row)
    frame = pl.DataFrame({key: _column([row.get(key) for row in rows]) for key in columns})
    file = io.BytesIO()
    match path.suffix:
        case ".csv":
            frame.write_csv(file)
        case ".parquet":
            frame.write_parquet(file)
        case ".json":
            frame.with_columns(pl.col(pl.Float64).fill_nan(None)).write_json(file)
        case other:
            raise ValueError(
                f"a file of runs ends in .csv, .parquet or .json; got {other or path.name!r}."
            )
    return file.getvalue()


def _column(values: Sequence[Value]) -> list[Any]:
    """Return values of one type: words where some are words, else numbers."""
    there = [value for value in values if value is not None]
    if any(isinstance(value, str) for value in there):
        return [None if value is None else str(value) for value in values]
    if all(isinstance(value, bool) for value in there):
        return list(values)
    whole = all(isinstance(value, int) for value in there)
    return list(values) if whole else [None if v is None else float(v) for v in values]
