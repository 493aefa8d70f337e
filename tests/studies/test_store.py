"""A store keeps whole records, finds them again, and survives what happens to files."""

import dataclasses
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from passband.studies import Eigenvalues, Measurement, Record, Store
from passband.studies.atomic import TEMPORARY, write


def record(**configuration: Any) -> Record:
    return Record(
        configuration={"study": "toy", "label": "one", **configuration},
        environment={},
        measured=Measurement(metrics={"x": 1.0}),
        seconds=0.0,
    )


def version(i: int) -> Record:
    return Record(
        configuration={"study": "toy", "label": "full"},
        environment={},
        measured=Measurement(
            metrics={"x": i},
            spectra={"last": Eigenvalues(values=(i,), errors=(0.0,), matvecs=i)},
            series={"step": (i,) * 4},
        ),
        seconds=i,
    )


FULL = version(1)


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


def test_stores_are_merged_by_copying_folders(tmp_path: Path) -> None:
    Store(tmp_path / "a").save(record(seed=0))
    Store(tmp_path / "b").save(record(seed=1))

    shutil.copytree(tmp_path / "a", tmp_path / "b", dirs_exist_ok=True)

    assert [r.configuration["seed"] for r in Store(tmp_path / "b")] in ([0, 1], [1, 0])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def turn_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [cut, turn_a_bit, Path.unlink, lambda path: path.write_bytes(b"")],
    ids=["cut", "bit", "missing", "empty"],
)
@pytest.mark.parametrize("name", ["run.json", "metrics.parquet", "spectra.safetensors"])
def test_a_damaged_file_counts_as_missing_and_is_set_aside(
    tmp_path: Path, damage: Callable[[Path], object], name: str
) -> None:
    told: list[str] = []
    path = Store(tmp_path).save(FULL)

    damage(path / name)

    reading = Store(tmp_path, on_unreadable=told.append)
    assert reading.load(FULL.configuration) is None
    assert list(reading) == []
    assert all(path.name in text for text in told)
    assert path.is_dir()  # a reader leaves everything where it is
    repairing = Store(tmp_path, on_unreadable=told.append, repair=True)
    assert repairing.load(FULL.configuration) is None
    assert not path.exists()
    assert "damaged" in told[-1]
    assert len(list((tmp_path / "damaged").iterdir())) == 1
    repairing.save(FULL)
    assert list(repairing) == [FULL]


def test_nothing_that_is_set_aside_is_overwritten(tmp_path: Path) -> None:
    store = Store(tmp_path, repair=True)

    for _ in range(3):
        cut(store.save(FULL) / "run.json")
        assert store.load(FULL.configuration) is None

    assert len(list((tmp_path / "damaged").iterdir())) == 3


def test_a_run_under_the_name_of_another_is_not_believed(tmp_path: Path) -> None:
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


def test_a_full_disk_leaves_the_old_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.save(record())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}"):
            store.save(dataclasses.replace(record(), seconds=9.0))

    assert list(store) == [record()]
    assert len(list(tmp_path.iterdir())) == 1  # no temporary folder is left
    store.save(dataclasses.replace(record(), seconds=9.0))
    assert [r.seconds for r in store] == [9.0]


def test_a_crash_between_two_renames_leaves_the_old_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    path = store.save(record())
    rename = Path.rename

    class Killed(BaseException):
        pass

    def killed(self: Path, target: Any) -> Path:
        if self == path:
            rename(self, target)
            raise Killed
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(Killed):
            store.save(dataclasses.replace(record(), seconds=9.0))

    assert not path.exists()
    assert store.load(record().configuration) == record()
    store.save(dataclasses.replace(record(), seconds=3.0))
    assert [r.seconds for r in store] == [3.0]
    assert len(store.prune(older_than=-1)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_pruning_leaves_alone_what_another_process_removes_meanwhile(tmp_path: Path) -> None:
    gone = tmp_path / f"{TEMPORARY}one.1"
    gone.symlink_to(tmp_path / "removed")  # it is listed, and then it is not there

    assert Store(tmp_path).prune(older_than=-1) == []


def test_readers_see_the_old_run_or_the_new_while_two_write(tmp_path: Path) -> None:
    """Every version says in its series and its spectrum which one it is."""
    told: list[str] = []
    store = Store(tmp_path, on_unreadable=told.append)
    versions = [version(i) for i in range(2)]
    store.save(versions[0])
    stop = threading.Event()

    def write(i: int) -> None:
        while not stop.is_set():
            store.save(versions[i])

    writers = [threading.Thread(target=write, args=(i,)) for i in range(2)]
    for writer in writers:
        writer.start()
    try:
        seen = [store.load(FULL.configuration) for _ in range(100)]
    finally:
        stop.set()
        for writer in writers:
            writer.join()

    assert told == []
    assert all(found in versions for found in seen)
    assert [path.name for path in tmp_path.iterdir()] == [versions[0].name]


def test_prune_removes_what_is_damaged_or_left_over(tmp_path: Path) -> None:
    store = Store(tmp_path, repair=True)
    path = store.save(record())
    cut(store.save(FULL) / "run.json")
    store.load(FULL.configuration)
    left = tmp_path / ".new.something.abc"
    left.mkdir()

    young = store.prune()
    removed = store.prune(older_than=-1)

    assert young == [tmp_path / "damaged"]
    assert removed == [left]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OSError, match="file"):
        write(tmp_path / "file" / "x.txt", "text")
    with pytest.raises(OSError, match="file"):
        Store(tmp_path / "file" / "deep").save(record())
