"""What a run leaves behind: its configuration, where it ran, and what was measured."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from passband._shapes import Float

FORMAT = 2
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
        vectors: Unit eigenvectors as rows, where they are kept: they are as long as all weights
            together. Two spectra are compared by their numbers, without them.
    """

    values: tuple[float, ...]
    errors: tuple[float, ...]
    matvecs: int
    vectors: Float[np.ndarray, "k n"] | None = field(default=None, compare=False, repr=False)


@final
@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a run measured. Metrics that do not exist are NaN here and ``null`` in the file.

    Attributes:
        metrics: Single numbers by name.
        spectra: Parts of spectra by name.
        series: Columns of equal length by name; the first is what they run over.
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
        """Name of its folder: readable, and different for every configuration."""
        return name_of(self.configuration)

    def metric(self, name: str) -> float:
        """Return a single number; NaN if this run has none of that name."""
        return self.measured.metrics.get(name, math.nan)


def name_of(configuration: Configuration) -> str:
    """Return the folder name of a configuration: study, label, and a hash of every value.

    Example:
        >>> name_of({"study": "edges", "label": "Heavy ball", "seed": 0})
        'edges-heavy-ball-6352159db0'
    """
    canonical = json.dumps(configuration, sort_keys=True, allow_nan=False, ensure_ascii=False)
    digest = hashlib.sha256(f"{FORMAT} {canonical}".encode()).hexdigest()[:10]
    words = f"{configuration['study']} {configuration['label']}".lower()
    return f"{re.sub('[^a-z0-9.]+', '-', words).strip('-')}-{digest}"
