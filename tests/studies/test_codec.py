"""A record survives the way to files and back, bit by bit, and nothing else passes for one."""

import dataclasses
import json
import math
import struct
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load

from passband.studies import Eigenvalues, Measurement, Record
from passband.studies.codec import RUN, SERIES, SPECTRA, pack, unpack

VECTORS = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=np.float32)
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
    assert unpack(pack(RECORD)) == RECORD


def test_the_files_can_be_read_without_this_package(tmp_path: Any) -> None:
    files = pack(RECORD, {"weights.bin": b"123"})

    (tmp_path / SERIES).write_bytes(files[SERIES])
    assert pl.read_parquet(tmp_path / SERIES).to_dict(as_series=False) == {
        "step": [0.0, 10.0],
        "sharpness": [1.0, 2.5],
    }
    assert load(files[SPECTRA])["last.values"].tolist() == [3.0, 2.0]
    run = json.loads(files[RUN])
    assert run["metrics"] == {"edge": 20.0, "plateau": 19.5}
    assert set(run["files"]) == {SERIES, SPECTRA, "weights.bin"}


def test_every_bit_of_a_series_is_kept() -> None:
    values = (0.1 + 0.2, -0.0, 5e-324, math.inf, -math.inf, math.nan, 1e308)
    record = dataclasses.replace(RECORD, measured=Measurement(series={"x": values}))

    back = unpack(pack(record)).measured.series["x"]

    assert [struct.pack("<d", x) for x in back] == [struct.pack("<d", x) for x in values]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_metrics_that_do_not_exist_are_null_in_the_file(value: float) -> None:
    record = dataclasses.replace(RECORD, measured=Measurement(metrics={"x": value}))

    files = pack(record)

    assert json.loads(files[RUN])["metrics"] == {"x": None}
    assert math.isnan(unpack(files).metric("x"))


def test_vectors_are_kept_where_there_are_any() -> None:
    part = Eigenvalues(values=(3.0, 2.0), errors=(0.0, 0.0), matvecs=1, vectors=VECTORS)
    record = dataclasses.replace(RECORD, measured=Measurement(spectra={"all": part}))

    back = unpack(pack(record)).measured.spectra["all"].vectors

    assert back is not None
    assert back.dtype == np.float32
    assert np.array_equal(back, VECTORS)


def test_a_record_without_series_or_spectra_is_one_file() -> None:
    record = dataclasses.replace(RECORD, measured=Measurement())

    assert list(pack(record)) == [RUN]
    assert unpack(pack(record)) == record


def test_the_same_record_gives_the_same_bytes() -> None:
    assert pack(RECORD) == pack(unpack(pack(RECORD)))


def test_columns_of_different_length_are_refused() -> None:
    record = dataclasses.replace(RECORD, measured=Measurement(series={"a": (1.0,), "b": ()}))

    with pytest.raises(ValueError, match=r"equally long; got \{'a': 1, 'b': 0\}"):
        pack(record)


TEXT = pack(RECORD)[RUN].decode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        (TEXT[:200], "not JSON"),
        ("[1, 2]", "not a record"),
        ("{}", "format None"),
        (TEXT.replace('"format": 2', '"format": 99'), "format 99"),
        (TEXT.replace("19.5", "29.5"), "checksum differs"),
        (TEXT.replace("it moved", "it stood"), "checksum differs"),
    ],
    ids=["empty", "cut off", "list", "no entries", "format", "number", "word"],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unpack(pack(RECORD) | {RUN: text.encode()})


def test_other_files_are_refused() -> None:
    files = pack(RECORD)

    with pytest.raises(ValueError, match=r"metrics.parquet is missing"):
        unpack({name: data for name, data in files.items() if name != SERIES})
    with pytest.raises(ValueError, match=r"spectra.safetensors is not what was written"):
        unpack(files | {SPECTRA: files[SPECTRA] + b" "})
