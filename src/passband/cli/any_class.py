"""The filter of any optimizer class, by its import path."""

import importlib
import inspect
from collections.abc import Sequence
from pathlib import Path

import torch

from passband.cli.beside import importable
from passband.cli.options import read_options
from passband.filters import Filter
from passband.identify import measure


def measured(path: str, words: Sequence[str]) -> Filter:
    """Return the measured filter of ``module:Class``, made with options such as ``--lr 0.1``.

    Modules of the current folder are found. The instance holds one parameter of its own.
    """
    with importable(Path.cwd()):  # as Python does for `-m`
        return _measured(path, words)


def _measured(path: str, words: Sequence[str]) -> Filter:
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{path!r} could not be imported: {error}.") from error
    if not (inspect.isclass(found) and issubclass(found, torch.optim.Optimizer)):
        raise ValueError(f"{path!r} must be a class of torch optimizers; it is {found!r}.")
    options = read_options(words)
    try:
        optimizer = found([torch.zeros(1, requires_grad=True)], **options)
    except TypeError as error:
        raise ValueError(f"{name} could not be made with {options}: {error}.") from error
    return measure(optimizer)
