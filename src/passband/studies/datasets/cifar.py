"""CIFAR-10 in its own format: pickles in an archive, read without running what is in them."""

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any, final

import numpy as np
from typing_extensions import override

from passband.studies.datasets.download import File, fetch
from passband.studies.datasets.idx import split_of
from passband.studies.images import Split

_ARCHIVE = File(
    "cifar-10-python.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    "c58f30108f718f92721af3b95e74349a",
)
_TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
_BYTES = 3 * 32 * 32
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


@final
class _ArraysOnly(pickle.Unpickler):
    """Builds arrays and plain containers, and refuses everything else."""

    @override
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise ValueError(
                f"the file asks for {module}.{name}, which no CIFAR batch needs. It is damaged, "
                "or made to run code; it was not run."
            )
        return super().find_class(module, name)


def read_cifar_batch(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return images ``(n, 3072)`` and labels ``(n,)`` of one batch, as bytes.

    Raises:
        ValueError: The content is no batch, or wants to run something.
    """
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
    except (pickle.UnpicklingError, EOFError, IndexError, KeyError, AttributeError) as error:
        raise ValueError(f"the file is no CIFAR batch: {error}.") from error
    if not isinstance(batch, dict):
        raise ValueError(f"the file is no CIFAR batch: it holds {type(batch).__name__}.")
    known = {key.decode() if isinstance(key, bytes) else key: value for key, value in batch.items()}
    data, labels = known.get("data"), known.get("labels")
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != _BYTES:
        raise ValueError(f"a CIFAR batch must hold `data` of shape (n, {_BYTES}).")
    if data.dtype != np.uint8 or not isinstance(labels, list) or len(labels) != len(data):
        raise ValueError("a CIFAR batch must hold bytes and one label for each image.")
    return data, np.array(labels, dtype=np.int64)


def cifar10(folder: Path | None = None) -> Split:
    """Return CIFAR-10, 50,000 and 10,000 images of 3 × 32 × 32 pixels in rows."""
    return read_archive(fetch(_ARCHIVE, folder))


def read_archive(path: Path) -> Split:
    """Return the images of the published archive.

    Raises:
        ValueError: A batch is missing or is none.
    """
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            name = Path(member.name).name
            if name in {*_TRAIN, "test_batch"} and (file := archive.extractfile(member)):
                found[name] = read_cifar_batch(file.read())
    missing = sorted({*_TRAIN, "test_batch"} - found.keys())
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}.")
    pixels, labels = zip(*(found[name] for name in _TRAIN), strict=True)
    return split_of(np.concatenate(pixels), np.concatenate(labels), *found["test_batch"])
