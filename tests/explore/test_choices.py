"""Sliders make the filters that users mean, and measured eigenvalues are found in files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import passband as pb
from passband import filters
from passband.explore.choices import NAMES, Knobs, chosen, measured, spectrum


def test_every_name_makes_a_filter_or_says_why_not() -> None:
    found, refused = chosen(NAMES, Knobs())
    assert set(found) == set(NAMES)
    assert not refused
    _, refused = chosen(["USAM"], Knobs(lr=-1.0))
    assert "lr" in refused["USAM"]


def test_they_are_the_filters_of_their_settings() -> None:
    knobs = Knobs(lr=0.1, momentum=0.8, rho=0.3, weight_decay=0.01)
    found, _ = chosen(NAMES, knobs)

    assert found["SGD"] == filters.SGD(lr=0.1, momentum=0.8, weight_decay=0.01)
    assert found["Two-step USAM"] == filters.USAM(
        lr=0.1, rho=0.3, steps=2, momentum=0.8, weight_decay=0.01
    )
    assert found["Adam, preconditioned λ"].edge == pytest.approx(2 * 1.8 / (0.2 * 0.1))


def test_curvatures_have_the_largest_asked() -> None:
    for kind in ("power law", "flat", "outliers"):
        values = spectrum(kind, top=7.0)
        assert values[0] == 7.0
        assert np.all(np.diff(values) <= 0)
    with pytest.raises(ValueError, match="kind"):
        spectrum("round", top=1.0)


def test_eigenvalues_are_read_from_lists_and_monitors(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps([1, 3.5, -2]))
    assert measured(file) == {"mine": (3.5, 1.0, -2.0)}

    model = nn.Linear(2, 1, bias=False)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.eye(2)
    log = tmp_path / "monitor.jsonl"
    with pb.Monitor(model, nn.functional.mse_loss, (x, x[:, :1]), sgd, every=1, log=log) as monitor:
        monitor.step()
    found = measured(log)
    assert list(found) == ["step 0", "step 1"]
    assert found["step 1"][0] == pytest.approx(1.0)


def test_nothing_to_show_is_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    for text in ("[]", "5", "{}", '{"1": 2}', "[[1, 2], [3]]", '"12"', '["a"]', "[NaN]", "[1, 2"):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"no eigenvalues in .* JSON list of numbers"):
            measured(file)
    with pytest.raises(ValueError, match="no eigenvalues"):
        measured(tmp_path)
