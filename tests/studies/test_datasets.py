"""Data sets in their true formats: small files, made here; damage and malice are refused."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from passband.studies.datasets import File, fetch, read_cifar_batch, read_idx
from passband.studies.datasets.cifar import read_archive
from passband.studies.datasets.idx import split_of


def idx(array: np.ndarray) -> bytes:
    """An IDX file by its specification: two zeros, the type, the rank, sizes, bytes."""
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


IMAGES = np.arange(2 * 3 * 4).reshape(2, 3, 4)


@pytest.mark.parametrize("compressed", [True, False])
def test_idx_files_are_read(tmp_path: Path, *, compressed: bool) -> None:
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(idx(IMAGES)) if compressed else idx(IMAGES))

    assert np.array_equal(read_idx(path), IMAGES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(IMAGES)[:-1], "should hold 24 bytes"),
        (b"\0\0\x0d\x01" + bytes(4), "no IDX file of bytes"),
        (b"PK\x03\x04", "no IDX file"),
        (b"", "no IDX file"),
        (bytes([0, 0, 8, 9]), "9 dimensions"),
        (gzip.compress(idx(IMAGES), mtime=0)[:-9], "cut off or damaged"),
    ],
    ids=["short", "floats", "zip", "empty", "rank", "cut"],
)
def test_damaged_idx_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "images"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=message):
        read_idx(path)


def test_images_are_scaled_by_the_training_set() -> None:
    train = np.array([[[0, 100]], [[200, 100]]], dtype=np.uint8)
    labels = np.array([1, 0], dtype=np.uint8)

    split = split_of(train, labels, train[:1], labels[:1])

    torch.testing.assert_close(split.train.x.mean(), torch.tensor(0.0))
    torch.testing.assert_close(split.train.x.std(unbiased=False), torch.tensor(1.0))
    assert split.train.y.tolist() == [1, 0]
    assert torch.equal(split.test.x, split.train.x[:1])
    with pytest.raises(ValueError, match="2 images but 1 labels"):
        split_of(train, labels[:1], train, labels)


def batch(n: int, **changes: Any) -> bytes:
    pixels = np.random.default_rng(n).integers(0, 256, (n, 3072)).astype(np.uint8)
    content = {b"data": pixels, b"labels": list(range(n)), b"batch_label": b"x"} | changes
    return pickle.dumps(content, protocol=2)


def archive(path: Path, names: list[str]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for i, name in enumerate(names):
            content = batch(i + 1)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_cifar_archives_are_read(tmp_path: Path) -> None:
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch", "batches.meta"]
    archive(tmp_path / "cifar.tar.gz", names)

    split = read_archive(tmp_path / "cifar.tar.gz")

    assert split.train.x.shape == (15, 3072)
    assert split.test.x.shape == (6, 3072)
    assert split.train.y.tolist() == [0, 0, 1, 0, 1, 2, 0, 1, 2, 3, 0, 1, 2, 3, 4]
    archive(tmp_path / "part.tar.gz", names[:5])
    with pytest.raises(ValueError, match="lacks test_batch"):
        read_archive(tmp_path / "part.tar.gz")


class Malice:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:  # pyright: ignore[reportImplicitOverride]
        return (exec, ("raise SystemExit('it ran')",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({b"data": Malice()}, protocol=2), "it was not run"),
        (pickle.dumps([1, 2]), "holds list"),
        (batch(2, data=np.zeros((2, 5), dtype=np.uint8)), r"shape \(n, 3072\)"),
        (batch(2, labels=[1]), "one label"),
        (b"not a pickle", "no CIFAR batch"),
        (b"", "no CIFAR batch"),
    ],
    ids=["malice", "list", "shape", "labels", "text", "empty"],
)
def test_other_pickles_are_refused_and_not_run(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_cifar_batch(content)


def test_a_file_is_fetched_once_checked_and_kept(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    md5 = hashlib.md5(b"content", usedforsecurity=False).hexdigest()
    file = File("kept", source.as_uri(), md5)
    cache = tmp_path / "deep" / "cache"

    first = fetch(file, cache)
    source.unlink()

    assert fetch(file, cache) == first == cache / "kept"
    assert first.read_bytes() == b"content"
    first.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is not the published kept"):
        fetch(file, cache)


def test_what_cannot_be_fetched_says_where_to_put_it(tmp_path: Path) -> None:
    missing = File("lost", (tmp_path / "nowhere").as_uri(), "0")

    with pytest.raises(OSError, match="--data subset"):
        fetch(missing, tmp_path / "cache")

    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"other")
    with pytest.raises(ValueError, match="MD5"):
        fetch(File("wrong", wrong.as_uri(), "0"), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
