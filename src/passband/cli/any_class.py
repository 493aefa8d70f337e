"""The filter of any optimizer class, by its import path."""

import importlib
import inspect
import os
import sys
from collections.abc import Sequence

import torch

from passband.cli.options import read_options
from passband.filters import Filter
from passband.identify import measure


def measured(path: str, words: Sequence[str]) -> Filter:
    """Return the measured filter of ``module:Class``, made with options such as ``--lr 0.1``.

    Modules of the current folder are found. The instance holds one parameter of its own.
    """
    module, _, name = path.partition(":")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as Python does for `-m`
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{path!r} could not be imported: {error}.") from error
    finally:
        sys.path.pop(0)
    if not (inspect.isclass(found) and issubclass(found, torch.optim.Optimizer)):
        raise ValueError(f"{path!r} must be a class of torch optimizers; it is {found!r}.")
    options = read_options(words)
    try:
        optimizer = found([torch.zeros(1, requires_grad=True)], **options)
    except TypeError as error:
        raise ValueError(f"{name} could not be made with {options}: {error}.") from error
    return measure(optimizer)
