"""A prober whose batches shrink until they fit into memory."""

import time
from collections.abc import Callable
from typing import Any, TypeVar, final

from passband.errors import first_line
from passband.filters import Filter
from passband.monitor.probe import Probe
from passband.monitor.probe_set import is_pair, out_of_memory, plain
from passband.monitor.prober import Prober
from passband.monitor.shares import Shares
from passband.problem import Objective

T = TypeVar("T")

_GRADIENTS = 75  # that a first probe is worth: about 25 products of 3 each


@final
class FittingProber:
    """Looks; out of memory, again with half the batch, down to single samples.

    Args:
        make: Returns the objective on a probe set.
        prober: Returns a prober of an objective.
        data: The probe set; only a pair of tensors can be cut into batches.
        batch: Samples a batch, or None for one batch.
        shares: Who measures.
        say: Is told when batches shrink.
    """

    def __init__(
        self,
        make: Callable[[Any], Objective],
        prober: Callable[[Objective], Prober],
        data: Any,
        *,
        batch: int | None,
        shares: Shares,
        say: Callable[[str], None],
    ) -> None:
        self._make, self._new, self._data, self._batch = make, prober, data, batch
        self._shares, self._say = shares, say
        self._prober = self._made()

    @property
    def filter(self) -> Filter | None:
        """The filter of the optimizer at the last probe."""
        return self._prober.filter

    def first(self) -> tuple[float | None, str]:
        """Return the seconds that a first probe will take, or why that is not known.

        Costs one gradient.
        """

        def seconds(prober: Prober) -> float:
            began = time.perf_counter()
            prober.objective.value_and_gradient()
            return _GRADIENTS * (time.perf_counter() - began)

        return self._fitted(seconds)

    def look(self, step: int) -> tuple[Probe | None, str]:
        """Return a probe, or why there is none."""
        return self._fitted(lambda prober: prober.look(step))

    def _fitted(self, measure: Callable[[Prober], T]) -> tuple[T | None, str]:
        """Return what is measured in batches that fit into memory, or why there is nothing."""
        while True:
            found, error = None, None
            try:
                with plain():
                    found = measure(self._prober)
            except Exception as failed:
                error = failed
            errors = [e for e in self._shares.agreed(error) if e is not None]
            if found is not None and not errors:
                return found, ""
            worst = next(filter(out_of_memory, errors), error or errors[0])
            smaller = self._smaller() if out_of_memory(worst) else None
            if not any(self._shares.gathered(lambda now=smaller: now is not None)):
                return None, f"the probe failed: {type(worst).__name__}: {first_line(worst)}"
            previous, self._batch = self._prober, smaller or self._batch
            self._prober = self._made()
            self._prober.goes_on_from(previous)

    def _smaller(self) -> int | None:
        """Return half the size of the batches, with a word about it; None where it is one."""
        if not is_pair(self._data):
            return None
        now = self._batch or len(self._data[0])
        if now <= 1:
            return None
        self._say(f"out of memory; now in batches of {now // 2}.")
        return now // 2

    def _made(self) -> Prober:
        """Return a prober of the probe set in batches as small as memory asks."""
        while True:
            data = self._data
            if self._batch is not None and is_pair(data):
                data = list(zip(*(part.split(self._batch) for part in data), strict=True))
            try:
                with plain():
                    return self._new(self._make(data))
            except Exception as error:
                smaller = self._smaller() if out_of_memory(error) else None
                if smaller is None:
                    raise
            self._batch = smaller
