"""Records survive the way to text and back, and nothing else passes for one."""

import dataclasses
import json
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


def test_a_record_comes_back_as_it_was() -> None:
    assert Record.from_json(RECORD.to_json()) == RECORD


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_do_not_exist_are_null_in_the_file(value: float) -> None:
    measured = Measurement(metrics={"x": value}, series={"y": (1.0, value)})
    record = dataclasses.replace(RECORD, measured=measured)

    text = record.to_json()
    back = Record.from_json(text)

    assert json.loads(text)["measured"]["metrics"] == {"x": None}
    assert math.isnan(back.metric("x"))
    assert math.isnan(back.measured.series["y"][1])


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        (RECORD.to_json()[:200], "not JSON"),
        ("[1, 2]", "not a record"),
        ("{}", "not a record"),
        (RECORD.to_json().replace('"format": 1', '"format": 99'), "format is 99"),
        (RECORD.to_json().replace('"metrics": {', '"metrics": "lost", "rest": {'), "not a record"),
        (RECORD.to_json().replace("20.0", '"many"'), "could not convert"),
    ],
    ids=["empty", "cut off", "list", "no entries", "format", "wrong type", "word"],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Record.from_json(text)
