"""The small studies meet their claims, can fail them, and cope with runs that measured nothing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from passband.studies import Measurement, Record, Run, Study
from passband.studies.beyond import (
    MeanSquareEdges,
    NormalizedNetworks,
    SaddleLeaks,
    SharpnessNotions,
    ValleyDrift,
    beyond_studies,
)
from passband.studies.beyond.saddles import Descent
from passband.studies.beyond.spheres import NormalizedTraining
from passband.studies.exhibits import Figure

ALL = (SaddleLeaks, MeanSquareEdges, NormalizedNetworks, SharpnessNotions, ValleyDrift)
SADDLES = tuple(replace(run, starts=6) for run in SaddleLeaks().runs() if isinstance(run, Descent))


def record(run: Run, measured: Measurement) -> Record:
    return Record(configuration=run.configuration(), environment={}, measured=measured, seconds=1.0)


def verdicts(study: type[Study], records: Sequence[Record]) -> list[str]:
    return [claim.verdict for claim in study.claims(records)]


@pytest.mark.parametrize(
    "study",
    [MeanSquareEdges(steps=13), SharpnessNotions(seeds=1), ValleyDrift(steps=600)],
    ids=lambda study: study.name,
)
def test_what_is_predicted_is_measured(study: Study) -> None:
    records = [record(run, run.measure()) for run in study.runs()]

    assert set(verdicts(type(study), records)) == {"ok"}


def test_a_saddle_in_the_passband_attracts_and_a_limit_need_not_be_critical() -> None:
    usam, *_, first, second = SADDLES
    faster = replace(usam, method=replace(usam.method, lr=0.02), steps=500)
    quartics = [replace(run, steps=300) for run in (first, second)]

    records = [record(run, run.measure()) for run in (faster, *quartics)]

    assert verdicts(SaddleLeaks, records) == ["ok"] * 3
    assert records[0].metric("saddle") == 1.0
    assert records[1].metric("not_critical") == 1.0


def test_spherical_sharpness_belongs_to_the_function() -> None:
    run = NormalizedTraining(images=40, hidden=5, steps=20, every=10)

    measured = run.measure()
    claims = NormalizedNetworks.claims([record(run, measured)])

    assert claims[0].verdict == "ok"
    assert claims[1].verdict == "ok"
    assert len(measured.series["ratio"]) == 3


def test_nobody_elses_random_numbers_are_used() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()

    NormalizedTraining(images=20, hidden=3, steps=1, every=1).measure()

    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("study", "metrics"),
    [
        (SaddleLeaks, {"saddle": 0.5, "minimum": 0.5, "not_critical": 0.0, "slope": 0.0}),
        (MeanSquareEdges, {"growth": 1.0}),
        (NormalizedNetworks, {"ratio": 3.0, "plain_change": 1.0, "spherical_change": 0.5}),
        (
            SharpnessNotions,
            {
                f"{n}{e}": 1.0 + bool(e)
                for n in ("worst", "ascent", "average")
                for e in ("", "_predicted")
            },
        ),
        (ValleyDrift, {"moved": 0.9}),
    ],
    ids=lambda value: value.name if isinstance(value, type) else "",
)
def test_every_claim_can_fail(study: Any, metrics: dict[str, float]) -> None:
    records = [record(run, Measurement(metrics=metrics)) for run in study().runs()]

    found = verdicts(study, records)

    assert "not met" in found
    assert "not measured" not in found
    if study is not MeanSquareEdges:  # a factor of one is neither: one of two claims fails
        assert "ok" not in found


@pytest.mark.parametrize("study", ALL, ids=lambda study: study.name)
def test_nothing_measured_is_said(study: Any) -> None:
    records = [record(run, Measurement()) for run in study().runs()]

    assert set(verdicts(study, records)) == {"not measured"}
    assert study.claims([]) == []
    assert study.exhibits([]) == []
    for exhibit in study.exhibits(records):
        table = exhibit.table() if isinstance(exhibit, Figure) else exhibit
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_the_quick_ones_are_among_all() -> None:
    names = {study.name for study in beyond_studies()}

    assert {study.name for study in beyond_studies(quick=True)} < names
    assert names == {study.name for study in ALL}
