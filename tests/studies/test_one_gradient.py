"""One gradient a step: contenders share an edge and a gain, and claims can fail."""

import math
from dataclasses import replace

import pytest
import torch

from passband import filter_of
from passband.studies import EqualGradients, Measurement, Record, SameEdge
from passband.studies.methods import Method
from passband.studies.one_gradient import (
    EqualGradientsTraining,
    SameEdgeTraining,
    contenders,
)
from passband.studies.training import optimizer_of

MODEL = torch.nn.Linear(2, 1)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_contenders_have_the_edge_of_two_step_usam_and_the_gain_of_sgd(
    momentum: float, weight_decay: float
) -> None:
    sgd, two_step, *others, faster = contenders(
        lr=0.02, rho=0.05, momentum=momentum, inertia=0.5, weight_decay=weight_decay
    )
    # near the edge of Two-step USAM: (λ + ω of the pass) (1 + ρ λ)² lr = 2 (1 + momentum)
    edge = two_step.filter().edge
    inside = 0.02 * ((1 + 0.05 * edge) ** 2 * edge + weight_decay)

    assert inside == pytest.approx(2 * (1 + momentum), rel=1e-9)
    assert [method.filter().gradients_per_step for method in (sgd, two_step, *others, faster)] == [
        1, 3, 1, 1, 1, 1,
    ]  # fmt: skip
    for method in (*others, faster):
        assert method.filter().edge == pytest.approx(edge, rel=1e-9)
    for method in (two_step, *others) if not weight_decay else ():
        assert method.filter().gain == pytest.approx(0.02 / (1 - momentum), rel=1e-6)
    assert faster.filter().gain > 2 * sgd.filter().gain


def test_a_method_without_inertia_has_no_extrapolation() -> None:
    assert len(contenders(lr=0.1, rho=0.1, momentum=0.0)) == 5


@pytest.mark.parametrize("i", range(6))
def test_the_optimizer_of_a_method_has_its_filter(i: int) -> None:
    method = contenders(lr=0.02, rho=0.05, momentum=0.9, weight_decay=0.01)[i]

    built = filter_of(optimizer_of(method, MODEL))

    assert built.edge == pytest.approx(method.filter().edge, rel=1e-12)
    assert type(built) is type(method.filter())


def test_all_runs_spend_the_same_gradients() -> None:
    study = EqualGradients(training=EqualGradientsTraining(epochs=7))

    spent = {
        run.epochs * run.method.filter().gradients_per_step
        for run in study.runs()
        if isinstance(run, EqualGradientsTraining)
    }

    assert spent == {21}


def landed(method: Method, reached: float, ratio: float = 1.0) -> Record:
    edge = method.filter().edge
    return Record(
        configuration=replace(SameEdgeTraining(), method=method).configuration(),
        environment={},
        measured=Measurement(
            metrics={
                "edge": edge,
                "ratio": ratio,
                "gradients_per_step": method.filter().gradients_per_step,
            },
            series={
                "step": (0.0, reached, 2 * reached),
                "sharpness": (1.0, 0.98 * edge, edge),
                "loss": (1.0, 0.5, 0.4),
            },
        ),
        seconds=0.0,
    )


def test_claims_compare_plateaus_and_gradients() -> None:
    _, two_step, derivative, _, secant, _ = contenders(lr=0.1, rho=0.01, momentum=0, inertia=0.5)
    records = [landed(two_step, 100), landed(derivative, 150), landed(secant, 151, ratio=1.05)]

    verdicts = [claim.verdict for claim in SameEdge.claims(records)]

    # gradients to the edge: 300, 150 and 151
    assert verdicts == ["ok", "ok", "not met", "ok", "not met"]
    assert len(SameEdge.exhibits(records)) == 5


def test_a_run_that_never_reached_the_edge_decides_nothing() -> None:
    _, two_step, derivative, *_ = contenders(lr=0.1, rho=0.01, momentum=0)
    lost = Record(
        configuration=replace(SameEdgeTraining(), method=two_step).configuration(),
        environment={},
        measured=Measurement(
            metrics={},
            series={"step": (0.0,), "sharpness": (1.0,), "loss": (1.0,)},
            notes=("It diverged.",),
        ),
        seconds=0.0,
    )

    claims = SameEdge.claims([lost, landed(derivative, 10)])

    assert [claim.verdict for claim in claims] == ["not measured", "ok", "not measured"]
    assert math.isnan(lost.metric("edge"))
    assert SameEdge.exhibits([lost, landed(derivative, 10)])
