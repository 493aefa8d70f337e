"""Six edges: what is measured is the sharpness, and the claim can fail."""

import math
from dataclasses import replace

import pytest
import torch

from passband.operators import Hessian
from passband.problem import Objective
from passband.studies import Measurement, Record, SixEdges
from passband.studies.codec import pack, unpack
from passband.studies.exhibits import Figure, Table
from passband.studies.images import mnist
from passband.studies.six_edges import FullBatchTraining
from passband.studies.six_edges_training import half_squared_error
from passband.studies.training import perceptron

TINY = FullBatchTraining(images=30, side=4, hidden=(5,), every=10, patience=20, window=20, limit=40)


def record(run: FullBatchTraining, **metrics: float) -> Record:
    return Record(
        configuration=run.configuration(),
        environment={},
        measured=Measurement(metrics=metrics, series={"step": (0.0,), "sharpness": (1.0,)}),
        seconds=0.0,
    )


def test_the_first_probe_is_the_largest_eigenvalue() -> None:
    measured = TINY.measure()

    images = mnist(train=30, test=0, side=4).train
    model = perceptron((16, 5, 10), activation=torch.nn.Tanh, seed=0, gain=0.5)
    target = torch.nn.functional.one_hot(images.y, 10).float()
    matrix = Hessian(Objective(model, half_squared_error, (images.x, target))).dense()
    expected = torch.linalg.eigvalsh(matrix.double())[-1].item()
    # the search stops at a relative accuracy of 2e-3
    assert measured.series["sharpness"][0] == pytest.approx(expected, rel=2e-3)


def test_the_objective_is_half_the_squared_distance() -> None:
    output, target = torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.zeros(2, 2)

    assert half_squared_error(output, target).item() == 6.25  # (25 / 2 + 0) / 2


def test_the_same_run_gives_the_same_numbers() -> None:
    assert TINY.measure() == TINY.measure()


def test_a_plateau_is_summarized_by_its_window() -> None:
    measured = TINY.measure()
    metrics, steps = measured.metrics, measured.series["step"]

    assert steps == tuple(float(10 * i) for i in range(len(steps)))
    assert metrics["steps"] == steps[-1]
    assert all(len(column) == len(steps) for column in measured.series.values())


def test_a_run_without_plateau_says_so() -> None:
    measured = replace(TINY, patience=1000).measure()

    assert "No plateau" in measured.notes[0]
    assert math.isnan(measured.metrics["ratio"])


@pytest.mark.parametrize("index", range(6))
def test_a_run_that_diverges_says_so(index: int) -> None:
    method = replace(SixEdges().methods[index], lr=1e6)

    measured = replace(TINY, method=method, patience=1000).measure()

    assert "diverged" in measured.notes[0]
    assert math.isnan(measured.metrics["plateau"])
    assert math.isnan(unpack(pack(replace(record(TINY), measured=measured))).metric("plateau"))


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.01, "ok"), (0.96, "not met"), (1.04, "not met"), (math.nan, None)]
)
def test_the_claim_can_fail(ratio: float, verdict: str | None) -> None:
    (claim,) = SixEdges.claims([record(TINY, ratio=ratio, edge=40.0)])

    assert claim.verdict == (verdict or "not measured")


def test_exhibits_cope_with_runs_that_measured_little() -> None:
    records = [
        record(run) for run in SixEdges(seeds=2).runs() if isinstance(run, FullBatchTraining)
    ]

    exhibits = SixEdges.exhibits(records)

    assert SixEdges.exhibits([]) == []
    assert [e.key for e in exhibits] == [
        "six-edges-sharpness",
        "six-edges-ratio",
        "six-edges-plateaus",
        "six-edges-filters",
    ]
    for exhibit in exhibits:
        table = exhibit.table() if isinstance(exhibit, Figure) else exhibit
        assert isinstance(table, Table)
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_predicted_edges_are_those_of_the_theory() -> None:
    edges = {method.name: method.filter().edge for method in SixEdges().methods}

    C = 2 / 0.05
    usam = (math.sqrt(1 + 4 * 0.005 * C) - 1) / (2 * 0.005)
    two = 2 / (3 * 0.01) * (math.cosh(math.acosh(1 + 27 * 0.01 / 0.05) / 3) - 1)
    root = math.sqrt(3 * 0.002)
    hessian = 2 / root * math.sinh(math.asinh(3 / 0.05 * root) / 3)
    assert edges == pytest.approx(
        {
            "gradient descent": C,
            "heavy ball": 1.5 * C,
            "Nesterov": 1.5 * C / 2,
            "USAM": usam,
            "Two-step USAM": two,
            "Hessian USAM": hessian,
        },
        rel=1e-9,
    )
