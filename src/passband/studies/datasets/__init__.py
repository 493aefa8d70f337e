"""Whole data sets in their published formats: downloaded once, checked, read safely."""

from passband.studies.datasets.cifar import cifar10, read_cifar_batch
from passband.studies.datasets.download import File, cache_folder, fetch
from passband.studies.datasets.idx import fashion_mnist, full_mnist, read_idx

__all__ = [
    "File",
    "cache_folder",
    "cifar10",
    "fashion_mnist",
    "fetch",
    "full_mnist",
    "read_cifar_batch",
    "read_idx",
]
