"""Bounds, thresholds and portraits: small runs meet their claims, and claims can fail."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from passband.studies import (
    CouplingBounds,
    FeedbackThresholds,
    Measurement,
    Portraits,
    Record,
    Run,
    Study,
)
from passband.studies.exhibits import Figure
from passband.studies.transients.bounds import CouplingRun
from passband.studies.transients.instances import instance

STUDIES: tuple[Study, ...] = (
    CouplingBounds(radii=(0.9, 0.99), sizes=(2,), couplings=(1.0, 10.0, 100.0)),
    FeedbackThresholds(radii=((0.9, 0.8),), sizes=(1, 2), couplings=(0.1, 1.0), draws=2),
    Portraits(size=2, side=6),
)


def record_of(run: Run, measured: Measurement | None = None) -> Record:
    return Record(
        configuration=run.configuration(),
        environment={},
        measured=run.measure() if measured is None else measured,
        seconds=1.0,
    )


@pytest.fixture(scope="module")
def records() -> dict[str, list[Record]]:
    return {study.name: [record_of(run) for run in study.runs()] for study in STUDIES}


def altered(record: Record, **columns: float) -> Record:
    """The record with some columns multiplied."""
    series = {
        name: tuple(columns.get(name.replace(" ", "_"), 1.0) * value for value in values)
        for name, values in record.measured.series.items()
    }
    return replace(record, measured=replace(record.measured, series=series))


def verdicts(study: Study, records: Sequence[Record]) -> dict[str, str]:
    return {claim.statement: claim.verdict for claim in study.claims(records)}


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_all_claims_are_met(study: Study, records: dict[str, list[Record]]) -> None:
    found = verdicts(study, records[study.name])

    assert found
    assert set(found.values()) == {"ok"}, found


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_every_exhibit_has_a_table(study: Study, records: dict[str, list[Record]]) -> None:
    exhibits = study.exhibits(records[study.name])

    assert len({exhibit.key for exhibit in exhibits}) == len(exhibits) >= 1
    for exhibit in exhibits:
        table = exhibit.table() if isinstance(exhibit, Figure) else exhibit
        assert {len(row) for row in table.rows} == {len(table.columns)}


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_records_that_are_missing_or_empty_are_no_news(study: Study) -> None:
    empty = record_of(study.runs()[0], Measurement(notes=("it failed",)))

    assert study.exhibits([]) == []
    study.exhibits([empty])
    assert all(claim.verdict == "not measured" for claim in study.claims([empty]))


def test_series_have_equal_lengths(records: dict[str, list[Record]]) -> None:
    for group in records.values():
        for record in group:
            assert len({len(column) for column in record.measured.series.values()}) == 1


@pytest.mark.parametrize(
    ("column", "part"),
    [
        ("random_lower", "no game exceeds"),
        ("random_upper", "published bound holds"),
        ("extremal_upper", "attains"),
        ("extremal_steps", "steps are enough"),
    ],
)
def test_claims_about_bounds_can_fail(
    column: str, part: str, records: dict[str, list[Record]]
) -> None:
    wrong = [altered(record, **{column: 100.0}) for record in records["coupling-bounds"]]

    found = verdicts(STUDIES[0], wrong)

    assert next(verdict for text, verdict in found.items() if part in text) == "not met"


def test_claims_about_certificates_can_fail(records: dict[str, list[Record]]) -> None:
    wrong = [altered(r, extremal_certificate=0.1) for r in records["coupling-bounds"]]

    found = verdicts(STUDIES[0], wrong)

    assert [v for text, v in found.items() if "Lyapunov" in text] == ["not met", "not met"]


@pytest.mark.parametrize(
    ("column", "part"), [("extremal", "becomes unstable at"), ("random", "unstable below")]
)
def test_claims_about_feedback_can_fail(
    column: str, part: str, records: dict[str, list[Record]]
) -> None:
    wrong = [altered(record, **{column: 0.5}) for record in records["feedback-thresholds"]]

    found = verdicts(STUDIES[1], wrong)

    assert next(verdict for text, verdict in found.items() if part in text) == "not met"


def test_games_have_the_radii_and_the_coupling_asked_for() -> None:
    game = instance(radius=0.9, driven=0.7, coupling=3.0, size=4, rng=np.random.default_rng(0))

    assert_allclose(np.linalg.eigvalsh(game.A)[-1], 0.9)
    assert_allclose(np.linalg.eigvalsh(game.B)[-1], 0.7)
    assert_allclose(np.linalg.norm(game.C, 2), 3.0)
    assert_allclose(game.A @ game.x, 0.9 * game.x, atol=1e-12)
    assert_allclose(np.linalg.norm(game.extremal().C @ game.x), 3.0)


def test_large_games_have_no_certificate() -> None:
    measured = CouplingRun(radius=0.5, size=9, couplings=(1.0,)).measure()

    assert math.isnan(measured.series["random certificate"][0])
