"""Filters at work: measured where training ended, compared with error bars, honest either way."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from passband.operators import Hessian
from passband.problem import Objective
from passband.studies import Claim, Eigenvalues, FiltersAtWork, Measurement, Record
from passband.studies.exhibits import Figure
from passband.studies.filters_at_work import SmallBatchTraining
from passband.studies.images import mnist
from passband.studies.training import accuracy, descend, in_order, optimizer_of, perceptron

TINY = SmallBatchTraining(train=60, test=20, side=4, hidden=(6,), batch=25, epochs=2)


def records(sharpness: dict[str, tuple[float, float]], **metrics: float) -> list[Record]:
    """Two seeds of every method at momentum 0.9, with chosen sharpness."""
    found: list[Record] = []
    for run in FiltersAtWork(momenta=(0.9,), seeds=2).runs():
        assert isinstance(run, SmallBatchTraining)
        value = sharpness[run.method.name][run.seed]
        measured = {"sharpness": value, "test_accuracy": 0.9, "ratio": value / 10, "edge": 10.0}
        found.append(
            Record(
                configuration=run.configuration(),
                environment={},
                measured=Measurement(
                    metrics=measured | metrics,
                    spectra={
                        "largest": Eigenvalues(
                            values=(value, value / 2, value / 3), errors=(0.01,) * 3, matvecs=9
                        )
                    },
                    series={"gradients": (0.0, 1.0), "test_accuracy": (0.1, 0.9)},
                ),
                seconds=1.0,
            )
        )
    return found


EXPECTED = {
    "SGD": (5.0, 5.2),
    "USAM": (2.0, 2.1),
    "Two-step USAM": (1.0, 1.1),
    "Hessian USAM": (1.0, 1.2),
}


def verdict(claims: list[Claim], words: str) -> str:
    (claim,) = [claim for claim in claims if words in claim.statement]
    return claim.verdict


def test_what_is_measured_is_where_training_ends() -> None:
    measured = TINY.measure()

    split = mnist(train=60, test=20, side=4)
    model = perceptron((16, 6, 10), activation=torch.nn.ReLU, seed=0)
    optimizer, generator = optimizer_of(TINY.method, model), torch.Generator().manual_seed(0)
    for _ in range(2):
        order = torch.randperm(60, generator=generator)
        batches = in_order(split.train, order, batch=25)
        list(descend(model, optimizer, cross_entropy, batches))
    objective = Objective(model, cross_entropy, (split.train.x, split.train.y))
    dense = torch.linalg.eigvalsh(Hessian(objective).dense().double()).flip(0)[:3]
    assert measured.metrics["train_loss"] == pytest.approx(objective.value(), rel=1e-6)
    assert measured.metrics["test_accuracy"] == accuracy(model, split.test)
    assert measured.spectra["largest"].values == pytest.approx(dense.tolist(), rel=1e-3)


def test_runs_of_a_seed_start_alike_whatever_the_optimizer() -> None:
    methods = FiltersAtWork().methods(0.9)

    first = {m.name: replace(TINY, method=m).measure().series["test_accuracy"][0] for m in methods}

    assert len(set(first.values())) == 1


def test_gradients_are_counted() -> None:
    costs = [
        replace(TINY, method=m).measure().metrics["gradients"] for m in FiltersAtWork().methods(0.0)
    ]

    steps = 2 * math.ceil(60 / 25)
    assert costs == [steps, 2 * steps, 3 * steps, 3 * steps]


def test_the_order_is_confirmed_when_it_is_there() -> None:
    claims = FiltersAtWork.claims(records(EXPECTED))

    assert {claim.verdict for claim in claims} == {"ok"}


@pytest.mark.parametrize(
    ("change", "words", "expected"),
    [
        ({"USAM": (5.0, 5.2)}, "USAM ends flatter than SGD", "not met"),
        ({"Two-step USAM": (2.0, 2.2)}, "Two-step USAM ends flatter than USAM", "not met"),
        ({"Hessian USAM": (9.0, 9.1)}, "Hessian USAM ends flatter than SGD", "not met"),
        ({"USAM": (math.nan, 2.0)}, ": USAM ends flatter than SGD", "not measured"),
        ({"SGD": (5.0, 11.0)}, "no run ends above its edge", "not met"),
        ({"SGD": (5.0, math.nan)}, "no run ends above its edge", "not measured"),
    ],
)
def test_claims_can_fail(change: dict[str, Any], words: str, expected: str) -> None:
    claims = FiltersAtWork.claims(records(EXPECTED | change))
    words = ": " + words if words.startswith("USAM") else words

    assert verdict(claims, words) == expected


def test_a_network_that_learned_nothing_is_not_called_flat() -> None:
    claims = FiltersAtWork.claims(records(EXPECTED, test_accuracy=0.1))

    assert verdict(claims, ": USAM ends flatter") == "not measured"


@pytest.mark.parametrize("index", range(4))
def test_a_run_that_diverges_says_so(index: int) -> None:
    method = replace(FiltersAtWork().methods(0.9)[index], lr=1e9)

    measured = replace(TINY, method=method).measure()

    assert "diverged" in measured.notes[0]
    assert "sharpness" not in measured.metrics
    assert measured.metrics["gradients"] > 0


def test_exhibits_cope_with_diverged_and_missing_runs() -> None:
    some = records(EXPECTED)[:3]
    lost = replace(
        some[0], measured=Measurement(series=some[0].measured.series, notes=("diverged",))
    )

    exhibits = FiltersAtWork.exhibits([lost, *some[1:]])

    assert FiltersAtWork.exhibits([]) == []
    assert {claim.verdict for claim in FiltersAtWork.claims([])} <= {"not measured"}
    for exhibit in exhibits:
        table = exhibit.table() if isinstance(exhibit, Figure) else exhibit
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert any("diverged in 1 of 2" in cell for row in exhibits[1].rows for cell in row)  # pyright: ignore[reportAttributeAccessIssue]
