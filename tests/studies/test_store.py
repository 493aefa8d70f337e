"""A store keeps whole records, finds them again, and survives what happens to files."""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from passband.studies import Measurement, Record, Store
from passband.studies.store import write


def record(**configuration: Any) -> Record:
    return Record(
        configuration={"study": "toy", "label": "one", **configuration},
        environment={},
        measured=Measurement(metrics={"x": 1.0}),
        seconds=0.0,
    )


def test_a_saved_record_is_found_by_its_configuration(tmp_path: Path) -> None:
    store = Store(tmp_path)

    store.save(record(lr=0.1))

    assert store.load(record(lr=0.1).configuration) == record(lr=0.1)
    assert store.load(record(lr=0.2).configuration) is None


def test_different_configurations_live_side_by_side(tmp_path: Path) -> None:
    store = Store(tmp_path)

    store.save(record(lr=0.1))
    store.save(record(lr=0.2))

    assert {r.configuration["lr"] for r in store} == {0.1, 0.2}


def test_saving_again_replaces(tmp_path: Path) -> None:
    store = Store(tmp_path)
    newer = dataclasses.replace(record(), seconds=2.0)

    store.save(record())
    store.save(newer)

    assert list(store) == [newer]


def test_stores_are_merged_by_copying_files(tmp_path: Path) -> None:
    Store(tmp_path / "a").save(record(seed=0))
    Store(tmp_path / "b").save(record(seed=1))

    shutil.copytree(tmp_path / "a", tmp_path / "b", dirs_exist_ok=True)

    assert [r.configuration["seed"] for r in Store(tmp_path / "b")] in ([0, 1], [1, 0])


@pytest.mark.parametrize("damage", [b"", b'{"format": 1, "conf', b"\xff\xfe\x00"])
def test_a_damaged_file_counts_as_missing_and_is_reported(tmp_path: Path, damage: bytes) -> None:
    told: list[str] = []
    store = Store(tmp_path, on_unreadable=told.append)
    path = store.save(record())

    path.write_bytes(damage)

    assert store.load(record().configuration) is None
    assert list(store) == []
    assert len(told) == 2
    assert path.name in told[0]


def test_a_file_under_the_name_of_another_is_not_believed(tmp_path: Path) -> None:
    told: list[str] = []
    store = Store(tmp_path, on_unreadable=told.append)

    store.save(record(lr=0.1)).rename(store.path(record(lr=0.2).configuration))

    assert store.load(record(lr=0.2).configuration) is None
    assert "belongs into" in told[0]


def test_a_missing_file_or_folder_is_silent(tmp_path: Path) -> None:
    told: list[str] = []
    store = Store(tmp_path / "none", on_unreadable=told.append)

    assert store.load(record().configuration) is None
    assert list(store) == []
    assert told == []


def test_a_crash_while_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.save(record())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.save(dataclasses.replace(record(), seconds=9.0))

    assert list(store) == [record()]
    assert len(list(tmp_path.iterdir())) == 1  # no temporary file is left


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OSError, match="file"):
        write(tmp_path / "file" / "x.txt", "text")
