"""Pictures of filters: radius, noise and overshoot against curvature."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from passband.errors import require
from passband.filters.base import Filter
from passband.filters.sheet import call

_SAMPLES = 400
_OVERSHOOTS = 60


def plot(filters: Filter | Sequence[Filter], *, span: tuple[float, float] | None = None) -> Any:
    """Draw the radius of ``M(λ)``, the noise, and the overshoot of one or several filters.

    Bars show what is admitted, a thin line is the edge; both come from the algebraic passband,
    the curves from samples. Schedules show the radius of a whole period.

    Args:
        filters: One or several, on common axes.
        span: Curvatures at the ends of the axis; by default all that is admitted.

    Returns:
        A ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: Without matplotlib.
    """
    require("matplotlib", extra="plot")
    from matplotlib.figure import Figure

    chosen = [filters] if isinstance(filters, Filter) else list(filters)
    if not chosen:
        raise ValueError("`plot` needs at least one filter; got none.")
    low, high = _span(chosen) if span is None else span
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"`span` must be two finite curvatures, ascending; got {(low, high)!r}.")
    figure = Figure(figsize=(7.0, 7.0 + 0.2 * len(chosen)), layout="constrained")
    heights = [0.2 * len(chosen), 2.0, 2.0, 2.0]
    admitted, radius, noise, overshoot = figure.subplots(4, 1, sharex=True, height_ratios=heights)
    for row, filter in enumerate(chosen):
        color = f"C{row}"
        passband = filter.passband()
        for interval in passband:
            lower, upper = max(interval.lower, low), min(interval.upper, high)
            admitted.broken_barh([(lower, upper - lower)], (row - 0.4, 0.8), color=color)
            if interval.is_point:
                admitted.plot(lower, row, marker="|", color=color)
        lam = np.linspace(low, high, _SAMPLES)
        radius.plot(lam, filter.radius(lam), color=color, label=call(filter))
        inside = lam[passband.contains(lam)]
        noise.plot(inside, _gaps(filter.noise(inside), inside), color=color)
        sparse = inside[:: max(1, len(inside) // _OVERSHOOTS)]
        peaks = np.array([filter.overshoot(float(one)).peak for one in sparse])
        overshoot.plot(sparse, _gaps(peaks, sparse), color=color)
        if 0 < passband.edge < math.inf:
            for axes in (radius, noise, overshoot):
                axes.axvline(passband.edge, color=color, linewidth=0.8)
    admitted.set(yticks=[], ylabel="admitted", ylim=(len(chosen) - 0.5, -0.5))
    radius.axhline(1.0, color="black", linewidth=0.8)
    radius.set(ylabel="radius", ylim=(0, 1.6), xlim=(low, high))
    figure.legend(fontsize="small", loc="outside lower center")  # bars and edges fill the axes
    noise.set(ylabel="noise S(λ)", yscale="log")
    overshoot.set(ylabel="peak of ‖Mᵏ‖", xlabel="curvature λ")
    return figure


def _span(filters: Sequence[Filter]) -> tuple[float, float]:
    ends = [e for f in filters for i in f.passband() for e in i if math.isfinite(e)]
    low, high = min([0.0, *ends]), max([0.0, *ends]) or 1.0
    margin = 0.1 * (high - low)
    return low - margin, high + margin


def _gaps(values: np.ndarray, lam: np.ndarray) -> np.ndarray:
    """Return values with NaN where nothing finite is, or where an interval has ended."""
    drawn = np.where(np.isfinite(values), values, np.nan)
    if len(lam) > 2:
        steps = np.diff(lam)
        drawn[1:][steps > 1.5 * steps.min()] = np.nan
    return drawn
