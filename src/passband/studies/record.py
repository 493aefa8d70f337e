"""What a run leaves behind: its configuration, where it ran, and what was measured."""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, final

FORMAT = 1
"""Version of the files; records of another version are measured again."""

Configuration = dict[str, Any]
"""Plain numbers, strings, lists and dictionaries, as JSON has them."""


@final
@dataclass(frozen=True, kw_only=True)
class Eigenvalues:
    """Part of a spectrum, as it is kept: values with their errors and their price.

    Attributes:
        values: Eigenvalues, largest first.
        errors: Bounds on the distance of each value to an eigenvalue.
        matvecs: Products with the operator that were spent.
    """

    values: tuple[float, ...]
    errors: tuple[float, ...]
    matvecs: int


@final
@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a run measured. Numbers that do not exist are NaN here and ``null`` in the file.

    Attributes:
        metrics: Single numbers by name.
        spectra: Parts of spectra by name.
        series: Columns of equal length by name, ``"step"`` among them.
        notes: Sentences a reader must know: a divergence, a plateau that was not reached.
    """

    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    spectra: Mapping[str, Eigenvalues] = field(default_factory=dict[str, Eigenvalues])
    series: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True, kw_only=True)
class Record:
    """One finished run.

    Attributes:
        configuration: Everything that decides the result, with the name of the study.
        environment: Versions, platform and threads: what may explain a last digit.
        measured: What came out.
        seconds: Of one core.
    """

    configuration: Configuration
    environment: Mapping[str, str]
    measured: Measurement
    seconds: float

    @property
    def study(self) -> str:
        """Name of the study this run belongs to."""
        return str(self.configuration["study"])

    @property
    def name(self) -> str:
        """Name of its file: readable, and different for every configuration."""
        return name_of(self.configuration)

    def metric(self, name: str) -> float:
        """Return a single number; NaN if this run has none of that name."""
        return self.measured.metrics.get(name, math.nan)

    def to_json(self) -> str:
        """Return the record as JSON text; numbers that do not exist become ``null``."""
        content = {"format": FORMAT, **asdict(self)}
        return json.dumps(_without_nan(content), allow_nan=False, ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Record":
        """Return the record in ``text``.

        Raises:
            ValueError: The text is not a record of this format; the message says what is wrong.
        """
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"it is not JSON: {error}.") from None
        try:
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']!r}, not {FORMAT}.")
            return cls(
                configuration=_dictionary(content["configuration"]),
                environment={k: str(v) for k, v in _dictionary(content["environment"]).items()},
                measured=_measurement(content["measured"]),
                seconds=float(content["seconds"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it is not a record: {type(error).__name__} {error}.") from None


def name_of(configuration: Configuration) -> str:
    """Return the file name of a configuration: study, label, and a hash of every value.

    Example:
        >>> name_of({"study": "edges", "label": "Heavy ball", "seed": 0})
        'edges-heavy-ball-766e0bc0f1'
    """
    canonical = json.dumps(configuration, sort_keys=True, allow_nan=False, ensure_ascii=False)
    digest = hashlib.sha256(f"{FORMAT} {canonical}".encode()).hexdigest()[:10]
    words = f"{configuration['study']} {configuration['label']}".lower()
    return f"{re.sub('[^a-z0-9.]+', '-', words).strip('-')}-{digest}"


def _measurement(content: Mapping[str, Any]) -> Measurement:
    return Measurement(
        metrics={name: _number(value) for name, value in content["metrics"].items()},
        spectra={
            name: Eigenvalues(
                values=_numbers(part["values"]),
                errors=_numbers(part["errors"]),
                matvecs=int(part["matvecs"]),
            )
            for name, part in content["spectra"].items()
        },
        series={name: _numbers(column) for name, column in content["series"].items()},
        notes=tuple(map(str, content["notes"])),
    )


def _dictionary(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"expected a dictionary, got {value!r:.40}")
    return value


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _numbers(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(map(_number, values))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
