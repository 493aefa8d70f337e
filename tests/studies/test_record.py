"""A record is named by its configuration, and says what was not measured."""

import math
from typing import Any

import pytest

from passband.studies import Eigenvalues, Measurement, Record
from passband.studies.record import name_of

RECORD = Record(
    configuration={"study": "edges", "label": "Heavy ball, seed 0", "lr": 0.1, "hidden": [3, 4]},
    environment={"torch": "2.13.0"},
    measured=Measurement(
        metrics={"edge": 20.0, "plateau": 19.5},
        spectra={"last": Eigenvalues(values=(3.0, 2.0), errors=(1e-4, 2e-4), matvecs=12)},
        series={"step": (0.0, 10.0), "sharpness": (1.0, 2.5)},
        notes=("it moved",),
    ),
    seconds=1.5,
)


def test_a_metric_that_was_not_measured_is_nan() -> None:
    assert math.isnan(RECORD.metric("no such thing"))
    assert RECORD.metric("edge") == 20.0


@pytest.mark.parametrize(
    "change", [{"lr": 0.2}, {"hidden": [3, 5]}, {"label": "Nesterov"}, {"new": None}]
)
def test_every_value_of_a_configuration_is_in_its_name(change: dict[str, Any]) -> None:
    assert name_of(RECORD.configuration | change) != name_of(RECORD.configuration)


def test_the_name_does_not_depend_on_the_order_of_entries() -> None:
    backwards = dict(reversed(RECORD.configuration.items()))

    assert name_of(backwards) == name_of(RECORD.configuration)
    assert name_of(backwards).startswith("edges-heavy-ball-seed-0-")
