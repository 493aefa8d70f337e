"""MNIST and Fashion-MNIST in their own format, IDX."""

import gzip
import math
import struct
from pathlib import Path

import numpy as np
import torch

from passband._shapes import Num
from passband.studies.datasets.download import File, fetch
from passband.studies.images import Images, Split

_UNSIGNED_BYTE = 0x08
_MOST_DIMENSIONS = 4

_PARTS = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
_MNIST: dict[str, str] = dict(
    zip(
        _PARTS,
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        strict=True,
    )
)
_FASHION: dict[str, str] = dict(
    zip(
        _PARTS,
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
        strict=True,
    )
)


def read_idx(path: Path) -> Num[np.ndarray, "*shape"]:
    """Return the array of an IDX file of bytes, compressed or not.

    Raises:
        ValueError: The file is no such IDX file, or is cut off.
    """
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError) as error:
            raise ValueError(f"{path} is cut off or damaged: {error}.") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTE:
        raise ValueError(f"{path} is no IDX file of bytes: it begins with {content[:4]!r}.")
    dimensions = content[3]
    header = 4 + 4 * dimensions
    if not 1 <= dimensions <= _MOST_DIMENSIONS or len(content) < header:
        raise ValueError(f"{path} has {dimensions} dimensions; expected 1 to {_MOST_DIMENSIONS}.")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    if len(content) - header != math.prod(shape):
        raise ValueError(
            f"{path} should hold {math.prod(shape)} bytes of shape {shape}; it holds "
            f"{len(content) - header}."
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def full_mnist(folder: Path | None = None) -> Split:
    """Return MNIST, 60,000 and 10,000 images, scaled as the subset is."""
    return _read("https://ossci-datasets.s3.amazonaws.com/mnist", "mnist", _MNIST, folder)


def fashion_mnist(folder: Path | None = None) -> Split:
    """Return Fashion-MNIST, 60,000 and 10,000 images, scaled to mean 0 and deviation 1."""
    url = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
    return _read(url, "fashion-mnist", _FASHION, folder)


def _read(url: str, name: str, sums: dict[str, str], folder: Path | None) -> Split:
    arrays = [
        read_idx(fetch(File(f"{name}-{part}-ubyte.gz", f"{url}/{part}-ubyte.gz", md5), folder))
        for part, md5 in sums.items()
    ]
    return split_of(*arrays)


def split_of(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray
) -> Split:
    """Return images as rows of floats, scaled by mean and deviation of the training set."""
    mean, deviation = float(train.mean()), float(train.std()) or 1.0

    def images(pixels: np.ndarray, labels: np.ndarray) -> Images:
        if len(pixels) != len(labels):
            raise ValueError(f"there are {len(pixels)} images but {len(labels)} labels.")
        x = torch.from_numpy(pixels.reshape(len(pixels), -1).astype(np.float32))
        return Images((x - mean) / deviation, torch.from_numpy(labels.astype(np.int64)))

    return Split(images(train, train_labels), images(test, test_labels))
