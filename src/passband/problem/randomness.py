"""The same random numbers for every evaluation, and none taken from the user."""

import random
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def fixed_randomness(seed: int, device: torch.device) -> Generator[None]:
    """Seed torch, numpy and Python inside, and put their states back outside.

    Of the accelerators only ``device`` is seeded: a dropout mask is drawn there or on the CPU.
    """
    accelerator = None if device.type == "cpu" else torch.get_device_module(device)
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    on_device = None if accelerator is None else _device_state(accelerator, device)
    try:
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - models and data sets still use the global generator
        random.seed(seed)
        if accelerator is not None:
            _seed_device(accelerator, device, seed)
        yield
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        random.setstate(before[2])
        if accelerator is not None and on_device is not None:
            _restore_device(accelerator, device, on_device)


def _device_state(accelerator: object, device: torch.device) -> torch.Tensor | None:
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    get = getattr(accelerator, "get_rng_state", None)
    return None if get is None else get()


def _seed_device(accelerator: object, device: torch.device, seed: int) -> None:
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif hasattr(accelerator, "manual_seed"):
        accelerator.manual_seed(seed)  # pyright: ignore[reportAttributeAccessIssue]


def _restore_device(accelerator: object, device: torch.device, state: torch.Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        accelerator.set_rng_state(state)  # pyright: ignore[reportAttributeAccessIssue]
