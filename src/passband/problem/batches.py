"""Fixed passes over data: the same batches, in the same order, every time."""

import copy
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import DataLoader, Dataset

from passband.errors import NotDeterministicError, PassbandWarning
from passband.problem.randomness import fixed_randomness

KEPT_BYTES = 2**30


def tensors(batch: Any) -> Iterator[Tensor]:
    """Yield the tensors of a batch of any structure, in order."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, PackedSequence):
        yield batch.data  # its lengths stay on the CPU
    elif isinstance(batch, Mapping):
        for value in batch.values():
            yield from tensors(value)
    elif isinstance(batch, list | tuple):
        for value in batch:
            yield from tensors(value)


def samples(batch: Any) -> int:
    """Return the number of samples of a batch: the length of its first tensor."""
    for tensor in tensors(batch):
        if tensor.ndim:
            return len(tensor)
    raise ValueError(
        f"a batch must hold a tensor with one row a sample; got {type(batch).__name__}. "
        "Say how much a batch counts with `count=`."
    )


def is_pair(batch: Any) -> bool:
    """Return whether a batch is an input and a target."""
    return isinstance(batch, list | tuple) and len(batch) == 2


class Batches:
    """A pass over the data that can be repeated.

    A list stays where it is. What a loader yields is moved to the model's device and kept
    up to ``KEPT_BYTES``, so that it is read once; a larger one is read again for every
    pass, with the random state of the first pass, and every batch is compared with what it
    was (`NotDeterministicError` if it changed).

    Args:
        data: A pair of tensors, a list of batches, a loader, or an iterator (read once).
        pairs: Whether every batch must be an input and a target.
        device: Where a loader's batches go.
        count: How much a batch counts; the number of its samples if not given.

    Attributes:
        counts: What every batch counts.
        told: Whether `count` says so.
    """

    def __init__(
        self, data: Any, *, pairs: bool, device: torch.device, count: Callable[[Any], float] | None
    ) -> None:
        self._device, self._pairs, self._count = device, pairs, count or samples
        self.told: bool = count is not None
        self._kept: list[Any] | None = None
        self._loader: Iterable[Any] = ()
        self._marks: list[tuple[float, ...]] = []
        self.counts: list[float] = []
        if (batches := _as_list(data, pairs=pairs)) is not None:
            self._kept = batches
            self.counts = [self._counted(i, batch) for i, batch in enumerate(batches)]
        else:
            self._read(as_loader(data))
        if not self.counts:
            raise ValueError("the data must have at least one batch; it has none.")
        if not math.fsum(self.counts) > 0:
            raise ValueError(f"the data must have samples; {len(self.counts)} batches have none.")

    def __iter__(self) -> Iterator[Any]:
        if self._kept is not None:
            yield from self._kept
            return
        number = -1
        for number, batch in enumerate(_seeded_pass(self._loader, self._device)):
            if number >= len(self._marks) or _mark(batch) != self._marks[number]:
                raise _changed(number)
            yield batch
        if number + 1 != len(self._marks):
            raise _changed(number + 1)

    def _read(self, loader: Iterable[Any]) -> None:
        self._loader, once = loader, hasattr(loader, "__next__")
        if left := _left_out(loader):
            warnings.warn(
                f"`drop_last=True` leaves {left} samples of the data set out, and so does all that "
                "is measured on this loader. Set `drop_last=False` for the whole.",
                PassbandWarning,
                stacklevel=4,
            )
        kept: list[Any] | None = []
        held = 0
        for number, batch in enumerate(_seeded_pass(loader, self._device)):
            self.counts.append(self._counted(number, batch))
            self._marks.append(_mark(batch))
            held += sum(t.nbytes for t in tensors(batch))
            if kept is not None and held <= KEPT_BYTES:
                kept.append(batch)
            elif once:
                raise ValueError(
                    f"an iterator can be read only once, and this one holds more than {KEPT_BYTES} "
                    "bytes. Give a DataLoader or a list of batches."
                )
            else:
                kept = None
        self._kept = kept

    def _counted(self, number: int, batch: Any) -> float:
        if self._pairs and not is_pair(batch):
            raise ValueError(
                f"batch {number} must be a pair (input, target); got {_describe(batch)}. "
                + (
                    "Convert arrays with `torch.from_numpy`."
                    if hasattr(batch, "__array__") and not isinstance(batch, Tensor)
                    else "For other batches write the loss as `loss(model, batch)`, "
                    '`takes="model, batch"`.'
                )
            )
        value = float(self._count(batch))
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"batch {number} must count 0 or more; `count` says {value!r}.")
        if self._pairs and value == 0:
            raise ValueError(f"batch {number} must have samples; it is empty.")
        return value


def _as_list(data: Any, *, pairs: bool) -> list[Any] | None:
    """Return batches that are in memory already, or None for what must be read."""
    if isinstance(data, Mapping):
        return [data]
    if not isinstance(data, list | tuple):
        return None
    pair = len(data) == 2 and isinstance(data[1], Tensor)
    if pair and (pairs or isinstance(data, tuple)):
        return [data]
    return list(data)


def as_loader(data: Any) -> Iterable[Any]:
    """Return the batches of what was given for data, or raise what to give instead."""
    if isinstance(data, Dataset):
        raise TypeError(
            f"`data` must come in batches; got the data set {type(data).__name__}. "
            "Wrap it: `DataLoader(dataset, batch_size=...)`."
        )
    if isinstance(data, Tensor) or not hasattr(data, "__iter__") or hasattr(data, "__array__"):
        raise TypeError(
            "`data` must be a pair of tensors (x, y), a list of batches or a DataLoader; "
            f"got {_describe(data)}."
        )
    return data


def _left_out(loader: Any) -> int:
    """Return how many samples a loader never gives, because they fill no batch."""
    if not isinstance(loader, DataLoader) or not loader.drop_last or not loader.batch_size:
        return 0
    try:
        return len(loader.sampler) % loader.batch_size  # pyright: ignore[reportArgumentType]
    except TypeError:  # no length
        return 0


def _seeded_pass(loader: Iterable[Any], device: torch.device) -> Iterator[Any]:
    """Yield the batches of a loader, with the same random numbers in every pass."""
    own = own_generators(loader)
    before = [g.get_state() for g in own]
    try:
        for g in own:
            g.manual_seed(0)
        with fixed_randomness(0, device):
            iterator = iter(apart(loader))
        number = 0
        while True:
            with fixed_randomness(number, device):
                try:
                    batch = next(iterator)
                except StopIteration:
                    return
            yield _moved(batch, device)
            number += 1
    finally:
        for g, state in zip(own, before, strict=True):
            g.set_state(state)


def apart(loader: Iterable[Any]) -> Iterable[Any]:
    """Return a loader whose passes leave those of the given one alone.

    With ``persistent_workers`` a loader has a single iterator, which a second pass sets back,
    in the hands of the loop that is reading it too. The copy has workers for one pass.
    """
    if not isinstance(loader, DataLoader):
        return loader
    apart = copy.copy(loader)
    vars(apart).update(_iterator=None, persistent_workers=False)  # a loader guards the second
    return apart


def own_generators(loader: Any) -> list[torch.Generator]:
    """Return the generators a loader carries itself; reading must not advance them."""
    found: list[torch.Generator] = []
    if isinstance(loader, DataLoader):
        batch_sampler = getattr(loader, "batch_sampler", None)
        holders = (loader, loader.sampler, batch_sampler, getattr(batch_sampler, "sampler", None))
        for holder in holders:
            g = getattr(holder, "generator", None)
            if isinstance(g, torch.Generator) and not any(g is other for other in found):
                found.append(g)
    return found


def _moved(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, PackedSequence):
        return batch.to(device)  # pyright: ignore[reportArgumentType]
    if isinstance(batch, Mapping) and hasattr(batch, "to"):  # Hugging Face's BatchEncoding
        return batch.to(device)  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(batch, Mapping):
        return {key: _moved(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_moved(value, device) for value in batch))
    if isinstance(batch, list | tuple):
        return type(batch)(_moved(value, device) for value in batch)
    return batch


def _mark(batch: Any) -> tuple[float, ...]:
    """Return numbers that change when the batch does."""
    marks: list[float] = []
    for t in tensors(batch):
        values = t.detach().reshape(-1)
        values = values.double() if values.dtype != torch.complex128 else values.abs()
        ramp = torch.linspace(1, 2, len(values), dtype=values.dtype, device=values.device)
        marks += [float(len(values)), float((values * ramp).nan_to_num().sum())]
    return tuple(marks)


def _changed(number: int) -> NotDeterministicError:
    return NotDeterministicError(
        f"batch {number} was different in two passes over the data: the loader shuffles or "
        "augments with random numbers of its own. Turn that off, or give `list(loader)`."
    )


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    size = f" of length {len(value)}" if hasattr(value, "__len__") else ""
    return f"{type(value).__name__}{size}"
