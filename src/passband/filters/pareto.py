"""Filters side by side: what a low edge costs, and what it costs elsewhere."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from typing_extensions import override

from passband.filters.base import Filter
from passband.filters.sheet import RATIO, call

_HEADER = (
    "front",
    "",
    "edge",
    "leak",
    "gain",
    "κ",
    "gradients",
    "vectors",
    "noise .1",
    ".5",
    "mean square",
)


@final
@dataclass(frozen=True, slots=True)
class Offer:
    """What one filter gives and takes.

    Attributes:
        filter: The filter.
        edge: Its edge E.
        leak: Whether saddles attract, away from zero curvature.
        gain: Speed of flat modes.
        kappa: Regularization of ``‖∇f‖²`` on smooth stretches.
        gradients: Gradients a step.
        memory: Vectors kept.
        noise: Variance at 0.1 E and 0.5 E, relative to the first filter at the same curvatures.
        mean_square: Mean-square edge over E, batch curvature varying by half.
        dominated: Whether another offer is no worse in gradients, vectors, both noises and mean
            square, and better in one.
    """

    filter: Filter
    edge: float
    leak: bool
    gain: float
    kappa: float
    gradients: float
    memory: float
    noise: tuple[float, float]
    mean_square: float
    dominated: bool = False


@final
@dataclass(frozen=True, slots=True)
class Pareto:
    """Offers in the order of the filters; it prints as a table."""

    offers: tuple[Offer, ...]

    @override
    def __str__(self) -> str:
        rows = [_HEADER, *map(_cells, self.offers)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
        return "\n".join(
            "  ".join(
                f"{cell:<{w}}" if i < 2 else f"{cell:>{w}}"
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in _HEADER)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(offer)) + "</tr>"
            for offer in self.offers
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def pareto(filters: Sequence[Filter]) -> Pareto:
    """Return filters side by side, noise relative to the first one.

    Edges compare only at equal gain: lr alone moves them. Design all filters for one edge with
    `passband.filters.design`, and put the plain optimizer first.

    Args:
        filters: At least one.

    Returns:
        A table; ``offers`` has the numbers. Cost: milliseconds a filter.

    Raises:
        TypeError: If one filter came instead of several.
        ValueError: If there is none.

    Example:
        >>> from passband.filters import SGD, USAM, DerivativeAction
        >>> gd, usam = SGD(lr=1.0), USAM(lr=1.0, rho=6.0)
        >>> memory = DerivativeAction(lr=1.0, strength=1.5)
        >>> [round(offer.noise[1], 2) for offer in pareto([gd, usam, memory]).offers]
        [1.0, 3.18, 0.8]
    """
    if isinstance(filters, Filter):
        raise TypeError("`pareto` compares several filters; write `pareto([first, second])`.")
    if not filters:
        raise ValueError("`pareto` needs at least one filter; got none.")
    offers = [_offer(filter, filters[0]) for filter in filters]
    return Pareto(
        tuple(
            replace(offer, dominated=any(_dominates(other, offer) for other in offers))
            for offer in offers
        )
    )


def _dominates(one: Offer, other: Offer) -> bool:
    """Return whether one is nowhere worse and somewhere better."""
    pairs = list(zip(_price(one), _price(other), strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def _price(offer: Offer) -> tuple[float, ...]:
    return (offer.gradients, offer.memory, *offer.noise, -offer.mean_square)


def _offer(filter: Filter, reference: Filter) -> Offer:
    passband = filter.passband()
    lam = passband.edge * np.array([0.1, 0.5])
    finite = 0 < passband.edge < math.inf
    noise = filter.noise(lam) / reference.noise(lam) if finite else np.full(2, np.nan)
    return Offer(
        filter=filter,
        edge=passband.edge,
        leak=any(interval.upper < 0 for interval in passband.leaks),
        gain=filter.gain,
        kappa=filter.kappa,
        gradients=filter.gradients_per_step,
        memory=filter.memory,
        noise=(float(noise[0]), float(noise[1])),
        mean_square=filter.mean_square_edge(ratio=RATIO) / passband.edge if finite else np.nan,
    )


def _cells(offer: Offer) -> tuple[str, ...]:
    return (
        "" if offer.dominated else "*",
        call(offer.filter),
        f"{offer.edge:.4g}",
        "yes" if offer.leak else "-",
        f"{offer.gain:.4g}",
        f"{offer.kappa:.3g}",
        f"{offer.gradients:.3g}",
        f"{offer.memory:g}",
        *(f"{value:.3g}" for value in offer.noise),
        f"{offer.mean_square:.3g}",
    )
