"""The experiments of the paper: whole data sets in their formats, radii chosen honestly."""

import gzip
import hashlib
import io
import math
import pickle
import struct
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from passband.problem import Objective
from passband.studies import Checkpoints, Measurement, PaperFilters, Record, paper_training
from passband.studies.codec import pack
from passband.studies.datasets import File, cifar, idx
from passband.studies.exhibits import Figure
from passband.studies.networks import wide_resnet
from passband.studies.paper import PaperTraining
from passband.studies.paper_exhibits import readings
from passband.studies.paper_programs import paper_studies

TINY = PaperTraining(
    train=60, validation=20, test=30, side=4, hidden=(6,), batch=25, epochs=3, rtol=1e-4
)
WIDE = replace(
    TINY,
    train=20,
    validation=10,
    test=10,
    batch=8,
    rtol=1e-2,
    data="cifar10",
    network_kind="wide-resnet",
    depth=10,
    widen=0.25,
    hidden=(),
    epochs=1,
)


def image_file(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


def keep(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small files in the formats of Fashion-MNIST and CIFAR-10, under their names."""
    monkeypatch.setenv("PASSBAND_DATA", str(tmp_path))
    draw = np.random.default_rng(0)
    sums: dict[str, str] = {}
    for part in idx._FASHION:
        count = 100 if part.startswith("train") else 40
        shape = (count, 28, 28) if "images" in part else (count,)
        content = image_file(draw.integers(0, 256 if "images" in part else 10, shape))
        sums[part] = keep(tmp_path, f"fashion-mnist-{part}-ubyte.gz", content)
    monkeypatch.setattr(idx, "_FASHION", sums)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
            pixels = draw.integers(0, 256, (40, 3072)).astype(np.uint8)
            batch = {b"data": pixels, b"labels": draw.integers(0, 10, 40).tolist()}
            content = pickle.dumps(batch, protocol=2)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    md5 = keep(tmp_path, cifar._ARCHIVE.name, file.getvalue())
    monkeypatch.setattr(cifar, "_ARCHIVE", File(cifar._ARCHIVE.name, "file:///nowhere", md5))
    return tmp_path


def test_what_is_kept_at_equal_gradients_is_where_the_run_was_then() -> None:
    usam = replace(TINY, method=PaperFilters().methods(0.9)[1], epochs=4)
    shorter = replace(usam, epochs=2)

    measured, then = usam.measure().metrics, shorter.measure().metrics

    assert usam.budget == 2  # two gradients a step: half of the four epochs
    assert measured["gradients_at_budget"] == 2 * 3 * 2
    assert measured["sharpness_at_budget"] == pytest.approx(then["sharpness"], rel=2e-4)
    assert measured["test_accuracy_at_budget"] == then["test_accuracy"]
    assert "validation_accuracy" in measured


def test_no_image_is_in_two_parts_and_the_parts_never_change() -> None:
    split = TINY.load()

    parts = [{row.numpy().tobytes() for row in images.x} for images in vars_of(split)]

    assert [len(part.y) for part in vars_of(split)] == [60, 20, 30]
    assert not parts[0] & parts[1]
    assert torch.equal(TINY.load().validation.x, split.validation.x)


def vars_of(split: Any) -> list[Any]:
    return [split.train, split.validation, split.test]


def test_fashion_is_trained_on_in_its_own_format(published: Path) -> None:
    measured = replace(TINY, data="fashion", hidden=(5, 4)).measure()

    assert published.exists()
    assert math.isfinite(measured.metrics["sharpness"])
    assert len(measured.series["epoch"]) == 4


def test_a_wide_residual_network_is_trained_and_measured(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = replace(WIDE, method=PaperFilters().methods(0.9)[1])
    watch, same = paper_training.watch, list[bool]()

    def watched(*arguments: Any) -> dict[str, float]:
        same.append(torch.backends.cudnn.deterministic)
        return watch(*arguments)

    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    monkeypatch.setattr(paper_training, "watch", watched)

    measured = run.measure()

    assert same == [True]
    assert not torch.backends.cudnn.deterministic  # whoever comes after it finds it as it was

    split, model = run.load(), run.network()
    pieces = Objective(model, cross_entropy, run.pieces(split.train))
    whole = cross_entropy(model(split.train.x), split.train.y)
    assert published.exists()
    assert measured.metrics["sharpness"] > 0
    assert measured.metrics["gradients_at_budget"] == 2 * math.ceil(run.train / run.batch)
    assert pieces.value() == pytest.approx(whole.item(), rel=1e-5)
    assert run.label == "USAM, ρ 0.03, WRN-10-0.25, momentum 0.9, seed 0"


class Stopped(BaseException):
    """What Ctrl-C would be."""


def test_a_residual_network_goes_on_bit_by_bit(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bits(measured: Measurement) -> dict[str, bytes]:
        c = WIDE.configuration()
        return pack(Record(configuration=c, environment={}, measured=measured, seconds=0))

    save = Checkpoints.save

    def once(self: Checkpoints, state: Any) -> None:
        save(self, state)
        raise Stopped

    assert published.exists()
    monkeypatch.setattr(Checkpoints, "save", once)
    with pytest.raises(Stopped):
        WIDE.measure(Checkpoints(tmp_path / "kept", every=0.0))
    monkeypatch.setattr(Checkpoints, "save", save)

    assert bits(WIDE.measure(Checkpoints(tmp_path / "kept"))) == bits(WIDE.measure())


def test_more_images_than_there_are_is_an_error(published: Path) -> None:
    with pytest.raises(ValueError, match="fashion has 100 and 40 images; got train=90"):
        replace(TINY, data="fashion", train=90).load()
    assert published.exists()


def test_the_published_network_has_its_published_size() -> None:
    model = wide_resnet(depth=16, widen=8)

    convolutions = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert sum(m.kernel_size == (3, 3) for m in convolutions) == 13  # and three shortcuts
    assert 10.9e6 < sum(p.numel() for p in model.parameters()) < 11.0e6
    assert not any("Norm" in type(m).__name__ for m in model.modules())
    with pytest.raises(ValueError, match="6 n \\+ 4; got 17"):
        wide_resnet(depth=17)


def test_outputs_of_a_residual_network_start_of_order_one() -> None:
    x = torch.randn(8, 3 * 32**2, generator=torch.Generator().manual_seed(0))

    for depth in (10, 16, 28):
        y = wide_resnet(depth=depth, widen=1)(x).detach()
        assert 0.1 < float(y.std()) < 10


def records(change: dict[tuple[str, float], dict[str, float]] | None = None) -> list[Record]:
    """Two seeds of everything at momentum 0.9; larger radii are flatter and less accurate."""
    found: list[Record] = []
    study = PaperFilters(momenta=(0.9,), seeds=2, hidden=((6,),))
    for run in study.runs():
        assert isinstance(run, PaperTraining)
        m = run.method
        order = {"SGD": 8.0, "USAM": 4.0, "Two-step USAM": 2.0, "Hessian USAM": 2.0}[m.name]
        metrics = {
            "sharpness": order + 0.01 * run.seed,
            "sharpness_at_budget": 2 * order + 0.01 * run.seed,
            "test_accuracy": 0.9,
            "test_accuracy_at_budget": 0.8,
            "validation_accuracy": 0.9 - m.rho / 10,
            "ratio": 0.1,
            "edge": 10.0,
            "gradients": 90.0,
        } | (change or {}).get((m.name, m.rho), {})
        found.append(
            Record(
                configuration=run.configuration(),
                environment={},
                measured=Measurement(
                    metrics=metrics, series={"gradients": (0.0,), "test_accuracy": (0.1,)}
                ),
                seconds=1.0,
            )
        )
    return found


def test_radii_are_chosen_on_validation_images() -> None:
    better = {("USAM", 0.1): {"validation_accuracy": 0.95, "test_accuracy": 0.7}}
    lost = {("USAM", 0.03): {"validation_accuracy": math.nan}}

    for change, expected in ((None, 0.03), (better, 0.1), (lost, 0.1)):
        chosen = readings(records(change))
        assert chosen["6", 0.9, "USAM"][0].configuration["method"]["rho"] == expected
        assert len(chosen) == 4


def test_claims_are_met_when_the_order_is_there_and_can_fail() -> None:
    sharp = {("USAM", 0.03): {"sharpness": 9.0}}
    lost = {("Hessian USAM", 0.005): {"test_accuracy_at_budget": 0.1}}

    assert {c.verdict for c in PaperFilters.claims(records())} == {"ok"}
    assert [c.verdict for c in PaperFilters.claims(records(sharp))].count("not met") == 1
    assert [c.verdict for c in PaperFilters.claims(records(lost))].count("not measured") == 1
    assert PaperFilters.claims([]) == []


def test_exhibits_cope_with_what_is_missing() -> None:
    every = records()
    empty = [replace(r, measured=Measurement(series=r.measured.series)) for r in every]

    assert PaperFilters.exhibits([]) == []
    for some in (every, every[:1], empty):
        for exhibit in PaperFilters.exhibits(some):
            table = exhibit.table() if isinstance(exhibit, Figure) else exhibit
            assert all(len(row) == len(table.columns) for row in table.rows)


@pytest.mark.parametrize("data", ["subset", "mnist", "fashion", "cifar10"])
@pytest.mark.parametrize("quick", [True, False])
def test_every_data_set_has_runs(data: Any, *, quick: bool) -> None:
    runs = [run for study in paper_studies(quick=quick, data=data) for run in study.runs()]

    assert len({str(run.configuration()) for run in runs}) == len(runs)
    assert all(run.cost > 0 for run in runs)
