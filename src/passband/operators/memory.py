"""How much memory there is, and how much a graph takes."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks


@dataclass(slots=True)
class Measured:
    """Bytes that autograd saved for a graph, every storage once.

    Tensors saved are watched for being overwritten, as autograd does itself.
    """

    theta: Tensor
    storages: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def bytes(self) -> int:
        """Bytes saved, without the parameters."""
        own = self.theta.untyped_storage().data_ptr()
        return sum(size for pointer, size in self.storages.items() if pointer != own)

    def hooks(self) -> saved_tensors_hooks:
        """Return the context in which a graph is built to be measured."""
        return saved_tensors_hooks(self._pack, _unpack)

    def _pack(self, tensor: Tensor) -> tuple[Tensor, int]:
        if tensor.layout == torch.strided:
            storage = tensor.untyped_storage()
            self.storages[storage.data_ptr()] = storage.nbytes()
        return tensor.detach(), tensor._version  # noqa: SLF001


def _unpack(packed: tuple[Tensor, int]) -> Tensor:
    tensor, version = packed
    if tensor._version != version:  # noqa: SLF001
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: a tensor of shape {tuple(tensor.shape)}."
        )
    return tensor


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on a device, within the limits of its container."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = [2**32]
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        free = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            group = Path("/sys/fs/cgroup")
            free.append(int((group / limit).read_text()) - int((group / used).read_text()))
        except (OSError, ValueError):  # no container, or no limit
            continue
    return max(0, min(free))
