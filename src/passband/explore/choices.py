"""From the positions of sliders to filters, and from files to eigenvalues."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy import ndarray

from passband import filters
from passband._shapes import Float
from passband.errors import PassbandError
from passband.filters import Filter


@final
@dataclass(frozen=True, kw_only=True)
class Knobs:
    """Where the sliders stand.

    Attributes:
        lr: Learning rate.
        momentum: Momentum factor; β₁ of Adam.
        rho: Ascent radius; of derivative action the strength over ``lr``.
        weight_decay: Coupled, of those that take one.
    """

    lr: float = 0.01
    momentum: float = 0.9
    rho: float = 0.05
    weight_decay: float = 0.0


_MAKERS: dict[str, Callable[[Knobs], Filter]] = {
    "SGD": lambda k: filters.SGD(lr=k.lr, momentum=k.momentum, weight_decay=k.weight_decay),
    "Nesterov": lambda k: filters.SGD(
        lr=k.lr, momentum=k.momentum, nesterov=k.momentum > 0, weight_decay=k.weight_decay
    ),
    "USAM": lambda k: filters.USAM(
        lr=k.lr, rho=k.rho, momentum=k.momentum, weight_decay=k.weight_decay
    ),
    "Two-step USAM": lambda k: filters.USAM(
        lr=k.lr, rho=k.rho, steps=2, momentum=k.momentum, weight_decay=k.weight_decay
    ),
    "Hessian USAM": lambda k: filters.HessianUSAM(
        lr=k.lr, rho=k.rho, momentum=k.momentum, weight_decay=k.weight_decay
    ),
    "derivative action": lambda k: filters.DerivativeAction(
        lr=k.lr, strength=k.rho * k.lr, momentum=k.momentum, weight_decay=k.weight_decay
    ),
    "optimistic": lambda k: filters.Optimistic(lr=k.lr, strength=k.lr),
    "extragradient": lambda k: filters.Extragradient(lr=k.lr),
    "Schedule-Free": lambda k: filters.ScheduleFree(lr=k.lr, momentum=k.momentum),
    "Adam, preconditioned λ": lambda k: filters.Adam(lr=k.lr, betas=(k.momentum, 0.999)),
}

NAMES = tuple(_MAKERS)
"""The optimizers that can be chosen."""


def chosen(names: Sequence[str], knobs: Knobs) -> tuple[dict[str, Filter], dict[str, str]]:
    """Return filters by name, and for those that cannot be made what is in the way.

    Example:
        >>> found, refused = chosen(["SGD", "USAM"], Knobs(lr=0.1, momentum=0.0))
        >>> {name: round(filter.edge, 3) for name, filter in found.items()}, refused
        ({'SGD': 20.0, 'USAM': 12.361}, {})
    """
    found: dict[str, Filter] = {}
    refused: dict[str, str] = {}
    for name in names:
        try:
            found[name] = _MAKERS[name](knobs)
        except (ValueError, PassbandError) as error:
            refused[name] = str(error)
    return found, refused


def spectrum(kind: str, *, top: float, count: int = 40) -> Float[ndarray, " n"]:
    """Return curvatures to converge on, largest first.

    Args:
        kind: ``"power law"``, ``λᵢ = top / i²``; ``"flat"``, all alike; ``"outliers"``, a few
            large ones above a bulk a hundredth of them.
        top: The largest.
        count: How many.

    Raises:
        ValueError: There is no such kind.

    Example:
        >>> spectrum("power law", top=8.0, count=2)
        array([8., 2.])
    """
    place = np.arange(1, count + 1)
    shapes = {
        "power law": top / place**2,
        "flat": np.full(count, float(top)),
        "outliers": np.where(place <= max(count // 10, 1), top / place, top / 100),
    }
    if kind not in shapes:
        raise ValueError(f"`kind` must be one of {list(shapes)}; got {kind!r}.")
    return shapes[kind]


def measured(path: Path) -> dict[str, tuple[float, ...]]:
    """Return measured eigenvalues by where they come from, largest first.

    Args:
        path: What a monitor wrote; a folder of runs; or a JSON list of numbers.

    Raises:
        ValueError: There are no eigenvalues in it.
        OSError: It cannot be read.
    """
    if path.is_dir():
        found = _of_runs(path)
    elif path.suffix == ".jsonl":
        found = _of_monitor(path)
    else:
        found = {path.stem: _of_list(path)}
    found = {name: values for name, values in found.items() if values}
    if not found:
        raise ValueError(
            f"there are no eigenvalues in {str(path)!r}. Give a folder that `passband run` or "
            "`passband demo` wrote, a file of `Monitor(log=...)`, or a JSON list of numbers."
        )
    return found


def _of_list(path: Path) -> tuple[float, ...]:
    """Return the numbers of a JSON list, largest first; none where it is anything else."""
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # no JSON, or no text
        return ()
    if not isinstance(values, list):
        return ()
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in values):
        return ()
    return tuple(sorted(map(float, values), reverse=True))


def _of_monitor(path: Path) -> dict[str, tuple[float, ...]]:
    from passband.monitor import read_records

    probes, _ = read_records(path)
    steps = [probe for probe in probes if probe.sharpness == probe.sharpness]
    return {f"step {probe.step}": (probe.sharpness,) for probe in steps[-5:]}


def _of_runs(folder: Path) -> dict[str, tuple[float, ...]]:
    from passband.studies import Store
    from passband.studies.plan import RECORDS

    inside = folder / RECORDS if (folder / RECORDS).is_dir() else folder
    return {
        f"{record.study}: {record.configuration['label']}": part.values
        for record in Store(inside)
        for part in record.measured.spectra.values()
    }
