"""Coupled trainings: equilibria are equilibria, predictions are watched, claims can fail."""

import math
from dataclasses import replace

import pytest
from numpy.testing import assert_allclose
from torch.utils import _pytree as pytree

from passband.studies import CoupledNetworks, Measurement, Record
from passband.studies.transients.equilibrium import equilibrium, moved
from passband.studies.transients.prediction import PredictionRun
from passband.studies.transients.systems import descend, problem
from passband.transients.coupled import simultaneous

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def watched() -> Record:
    run = PredictionRun(
        system="bilevel",
        rates=(2.0, 0.8),
        images=10,
        side=2,
        steps=800,
        together=60,
        directions=1,
        longest=800,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("passband.studies.transients.prediction_measured._SIZES", (0.01, 2.0))
        measured = run.measure()
    return Record(configuration=run.configuration(), environment={}, measured=measured, seconds=1.0)


def test_a_bilevel_training_does_what_its_jacobian_says(watched: Record) -> None:
    verdicts = [claim.verdict for claim in CoupledNetworks.claims([watched])]

    assert verdicts == ["ok"] * 4
    assert watched.metric("movement") < 1e-9
    assert watched.metric("peak") > 1.02
    assert watched.metric("trust") == 2.0
    assert_allclose(watched.metric("measured peak"), watched.metric("peak"), rtol=0.01)
    assert len({len(column) for column in watched.measured.series.values()}) == 1
    assert len(CoupledNetworks.exhibits([watched])) == 3


@pytest.mark.parametrize("metric", ["measured peak", "largest random", "measured settling"])
def test_claims_can_fail(metric: str, watched: Record) -> None:
    metrics = {**watched.measured.metrics, metric: 3 * watched.metric(metric)}
    wrong = replace(watched, measured=replace(watched.measured, metrics=metrics))

    verdicts = [claim.verdict for claim in CoupledNetworks.claims([wrong])]

    assert verdicts.count("not met") == 1


def test_a_training_without_equilibrium_is_not_measured(watched: Record) -> None:
    lost = replace(watched, measured=Measurement(metrics={"movement": 1.0}, notes=("lost",)))

    claims = CoupledNetworks.claims([lost])

    assert {claim.verdict for claim in claims} == {"not measured"}
    assert all("lost" in claim.evidence for claim in claims)
    CoupledNetworks.exhibits([lost])


def test_equal_radii_are_compared(watched: Record) -> None:
    metrics = {**watched.measured.metrics, "measured peak": 10 * watched.metric("measured peak")}
    other = replace(watched, measured=replace(watched.measured, metrics=metrics))

    claims = CoupledNetworks.claims([watched, other])

    assert "twice as far" in claims[-1].statement
    assert claims[-1].verdict == "ok"
    assert "twice as far" not in CoupledNetworks.claims([watched])[-1].statement


@pytest.mark.parametrize("name", ["GAN", "readout"])
def test_fast_descent_is_the_step(name: str) -> None:
    made = problem(name, rates=(0.1, 0.2), images=12, side=2, seed=1)  # pyright: ignore[reportArgumentType]

    fast = descend(made.players, (), steps=3)

    slow = simultaneous(made.players).after(3).state
    for player, own in slow.items():
        for a, b in zip(
            pytree.tree_leaves(fast[player]),
            pytree.tree_leaves(own["variables"]),
            strict=True,
        ):
            assert_allclose(a.numpy(), b.numpy(), atol=1e-13)


def test_an_unfinished_training_is_reported() -> None:
    made = problem("GAN", rates=(0.1, 0.2), images=12, side=2, seed=1)

    found = equilibrium(made, steps=1)

    assert found.trained == found.movement > 1e-3
    assert_allclose(float(moved(found.update).norm()), found.movement)
    run = PredictionRun(system="GAN", rates=(0.1, 0.2), images=12, steps=1)
    assert "No equilibrium" in run.measure().notes[0]


def test_a_ratio_can_be_given_the_radius_of_another() -> None:
    study = CoupledNetworks()

    first, second, *_ = study.runs()

    assert isinstance(first, PredictionRun)
    assert isinstance(second, PredictionRun)
    assert (first.like, second.like) == (0.0, first.ratio)
    assert math.isclose(study.gan_ratios[1], second.ratio)
