"""Pictures for the explorer, as plotly figures."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from passband._shapes import Float
from passband.errors import require
from passband.explore.simulate import losses, norms_of_powers
from passband.filters import Filter, pareto
from passband.filters.sheet import call

POINTS = 400
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#555555")
"""Okabe and Ito's colors, told apart by most eyes."""


def radius(filters: Mapping[str, Filter], *, marks: Mapping[str, Sequence[float]]) -> Any:
    """Return the spectral radius of ``M(λ)`` against λ, admitted curvatures as bars below.

    Args:
        filters: By name.
        marks: Measured eigenvalues by where they come from, as vertical strokes.
    """
    figure = _figure("curvature λ", "spectral radius of M(λ)")
    low, high = span(list(filters.values()), marks)
    lam = np.linspace(low, high, POINTS)
    for row, (name, filter) in enumerate(filters.items()):
        color = COLORS[row % len(COLORS)]
        figure.add_scatter(
            x=lam, y=np.minimum(filter.radius(lam), 10), name=name, line={"color": color}
        )
        for interval in filter.passband():
            ends = (max(interval.lower, low), min(interval.upper, high))
            if ends[0] <= ends[1]:
                height = -0.06 * (row + 1)
                figure.add_scatter(
                    x=list(ends),
                    y=[height, height],
                    mode="lines+markers" if interval.is_point else "lines",
                    line={"color": color, "width": 6},
                    name=f"{name} admits",
                    showlegend=False,
                    hovertemplate=f"{name} admits {interval}<extra></extra>",
                )
    figure.add_hline(y=1.0, line={"color": "gray", "width": 1})
    for source, values in marks.items():
        inside = [value for value in values if low <= value <= high]
        figure.add_scatter(
            x=inside,
            y=[1.0] * len(inside),
            mode="markers",
            marker={"symbol": "line-ns-open", "size": 18, "color": "black"},
            name=source,
        )
    figure.update_yaxes(range=[-0.06 * (len(filters) + 1), 1.8])
    return figure


def convergence(
    filters: Mapping[str, Filter], curvatures: Float[ndarray, " n"], *, steps: int
) -> Any:
    """Return the loss on a quadratic with these curvatures against gradient evaluations."""
    figure = _figure("gradient evaluations", "loss / first loss", log=True)
    for row, (name, filter) in enumerate(filters.items()):
        curve = losses(filter, curvatures, steps=steps)
        figure.add_scatter(
            x=np.arange(steps + 1) * filter.gradients_per_step,
            y=np.maximum(curve / curve[0], 1e-16),
            name=name,
            line={"color": COLORS[row % len(COLORS)]},
        )
    return figure


def transient(filters: Mapping[str, Filter], *, share: float, steps: int) -> Any:
    """Return ``‖Mᵏ‖`` against k, each filter at the same share of its own edge."""
    figure = _figure("step k", "‖M(λ)ᵏ‖, in displacements", log=True)
    for row, (name, filter) in enumerate(filters.items()):
        edge = filter.edge
        if not 0 < edge < math.inf:
            continue
        figure.add_scatter(
            x=np.arange(steps + 1),
            y=np.maximum(norms_of_powers(filter, share * edge, steps=steps), 1e-16),
            name=f"{name}, λ = {share * edge:.4g}",
            line={"color": COLORS[row % len(COLORS)]},
        )
    figure.add_hline(y=1.0, line={"color": "gray", "width": 1})
    return figure


def trade(filters: Mapping[str, Filter]) -> Any:
    """Return noise at half the edge against the edge, a point a filter, its size the cost."""
    figure = _figure("edge", "noise at half the edge, over the first filter's", log=True)
    figure.update_xaxes(type="log")
    table = pareto(list(filters.values()))
    for row, (name, offer) in enumerate(zip(filters, table.offers, strict=True)):
        if not (0 < offer.edge < math.inf and offer.noise[1] > 0):
            continue
        figure.add_scatter(
            x=[offer.edge],
            y=[offer.noise[1]],
            mode="markers+text",
            text=[name + ("" if offer.dominated else " *")],
            textposition="top center",
            name=call(offer.filter),
            marker={"color": COLORS[row % len(COLORS)], "size": 8 + 6 * offer.gradients},
        )
    figure.update_layout(showlegend=False)
    return figure


def span(filters: Sequence[Filter], marks: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """Return the curvatures to show: all that is admitted, a little more, and the marks.

    Example:
        >>> from passband.filters import SGD
        >>> span([SGD(lr=0.1)], {})
        (-12.0, 24.0)
    """
    ends = [0.0]
    for filter in filters:
        for interval in filter.passband():
            ends += [end for end in (interval.lower, interval.upper) if math.isfinite(end)]
    ends += [value for values in marks.values() for value in values]
    low, high = min(ends), max(ends)
    width = max(high, -low) or 1.0
    return min(1.2 * low, -0.6 * width), max(1.2 * high, 0.2 * width)


def _figure(x: str, y: str, *, log: bool = False) -> Any:
    require("plotly", extra="explore")
    import plotly.graph_objects as go

    axis = {"gridcolor": "#e5e5e5", "zerolinecolor": "#bbbbbb", "ticks": "outside"}
    kind = "log" if log else "linear"
    return go.Figure(
        layout={
            "template": None,  # to look one up takes longer than all the rest
            "plot_bgcolor": "white",
            "height": 420,
            "margin": {"l": 60, "r": 10, "t": 10, "b": 45},
            "xaxis": axis | {"title": {"text": x}},
            "yaxis": axis | {"title": {"text": y}, "type": kind},
            "legend": {"orientation": "h", "y": 1.12},
        }
    )
