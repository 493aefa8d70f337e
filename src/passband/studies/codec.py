"""A record as the files of its folder, and back; every file has a checksum."""

import hashlib
import io
import json
import math
from collections.abc import Mapping
from typing import Any

from passband.errors import require
from passband.studies.record import FORMAT, Eigenvalues, Measurement, Record

RUN, SERIES, SPECTRA = "run.json", "metrics.parquet", "spectra.safetensors"
EXTRA = "studies"


def pack(record: Record, attachments: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """Return the files of a record: ``run.json``, and series, spectra and attachments if any.

    ``run.json`` holds the checksum (SHA-256) of every other file, and of its own content.

    Raises:
        MissingExtraError: ``polars`` or ``safetensors`` is not installed.
        ValueError: The columns of the series differ in length.
    """
    measured = record.measured
    files = dict(attachments or {})
    if measured.series:
        files[SERIES] = _write_series(measured.series)
    if measured.spectra:
        files[SPECTRA] = _write_spectra(measured.spectra)
    content = {
        "format": FORMAT,
        "name": record.name,
        "configuration": record.configuration,
        "environment": dict(record.environment),
        "metrics": {name: _finite(value) for name, value in measured.metrics.items()},
        "notes": measured.notes,
        "spectra": {name: {"matvecs": part.matvecs} for name, part in measured.spectra.items()},
        "seconds": record.seconds,
        "files": {name: _digest(data) for name, data in sorted(files.items())},
    }
    content["checksum"] = _checksum(content)
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, indent=1)
    return {RUN: text.encode(), **files}


def listed(run: bytes) -> dict[str, Any]:
    """Return the content of ``run.json``.

    Raises:
        ValueError: It is damaged or of another format.
    """
    try:
        content = json.loads(run)
    except ValueError as error:  # a wrong encoding too
        raise ValueError(f"{RUN} is not JSON: {error}.") from None
    if not isinstance(content, dict):
        raise ValueError(f"{RUN} is not a record.")
    if content.get("format") != FORMAT:
        raise ValueError(f"{RUN} has the format {content.get('format')!r}, not {FORMAT}.")
    if content.pop("checksum", None) != _checksum(content):
        raise ValueError(f"{RUN} is not what was written: its checksum differs.")
    return content


def unpack(files: Mapping[str, bytes]) -> Record:
    """Return the record in some files.

    Raises:
        MissingExtraError: ``polars`` or ``safetensors`` is not installed.
        ValueError: A file is missing, damaged or of another format; the message says which.
    """
    content = listed(files.get(RUN, b""))
    for name, digest in content["files"].items():
        if name not in files:
            raise ValueError(f"{name} is missing.")
        if _digest(files[name]) != digest:
            raise ValueError(f"{name} is not what was written: its checksum differs.")
    try:
        return Record(
            configuration=content["configuration"],
            environment=content["environment"],
            measured=Measurement(
                metrics={
                    name: math.nan if value is None else float(value)
                    for name, value in content["metrics"].items()
                },
                spectra=_read_spectra(content["spectra"], files.get(SPECTRA)),
                series=_read_series(files.get(SERIES)),
                notes=tuple(content["notes"]),
            ),
            seconds=float(content["seconds"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{RUN} is not a record: {type(error).__name__} {error}.") from None


def _write_series(series: Mapping[str, tuple[float, ...]]) -> bytes:
    require("polars", extra=EXTRA)
    import polars as pl

    lengths = {name: len(column) for name, column in series.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns of a series must be equally long; got {lengths}.")
    columns = [pl.Series(name, column, dtype=pl.Float64) for name, column in series.items()]
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file, statistics=False)
    return file.getvalue()


def _read_series(data: bytes | None) -> dict[str, tuple[float, ...]]:
    if data is None:
        return {}
    require("polars", extra=EXTRA)
    import polars as pl

    return {column.name: tuple(column.to_list()) for column in pl.read_parquet(io.BytesIO(data))}


def _write_spectra(spectra: Mapping[str, Eigenvalues]) -> bytes:
    require("safetensors", extra=EXTRA)
    import numpy as np
    from safetensors.numpy import save

    arrays: dict[str, Any] = {}
    for name, part in spectra.items():
        arrays[f"{name}.values"] = np.array(part.values, dtype=np.float64)
        arrays[f"{name}.errors"] = np.array(part.errors, dtype=np.float64)
        if part.vectors is not None:
            arrays[f"{name}.vectors"] = np.ascontiguousarray(part.vectors)
    return save(arrays)


def _read_spectra(names: Mapping[str, Any], data: bytes | None) -> dict[str, Eigenvalues]:
    if not names:
        return {}
    require("safetensors", extra=EXTRA)
    from safetensors.numpy import load

    arrays = load(data or b"")
    return {
        name: Eigenvalues(
            values=tuple(arrays[f"{name}.values"].tolist()),
            errors=tuple(arrays[f"{name}.errors"].tolist()),
            matvecs=int(part["matvecs"]),
            vectors=arrays.get(f"{name}.vectors"),
        )
        for name, part in names.items()
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _checksum(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return _digest(canonical.encode())
