"""A panel as plotly's data and layout; colors are CSS variables, resolved when it is shown."""

import math
from typing import Any

from passband.report.palette import Palette
from passband.studies.exhibits import (
    Axis,
    Contours,
    Dots,
    Level,
    Line,
    Panel,
    Points,
    Span,
)

Json = dict[str, Any]

_SYMBOLS: dict[str, Json] = {
    "dot": {"symbol": "circle", "size": 10},
    "ring": {"symbol": "circle-open", "size": 9, "line": {"width": 2}},
    "small": {"symbol": "circle-open", "size": 5, "line": {"width": 2}},
    "edge": {"symbol": "line-ew-open", "size": 30, "line": {"width": 2.5}},
}


def draw(panel: Panel, palette: Palette) -> Json:
    """Return ``{"data": [...], "layout": {...}}`` for plotly.js."""
    data = [_contours(part, palette) for part in panel.contours]
    data += [_line(line, palette) for line in panel.lines]
    data += [_points(points, palette) for points in panel.points]
    data += [_dots(dots, palette) for dots in panel.dots]
    shapes = [_span(span, palette) for span in panel.spans]
    shapes += [_level(level, palette) for level in panel.levels]
    own = [level for level in panel.levels if level.color != "ink" and not level.vertical]
    layout: Json = {
        "xaxis": _axis(panel.x) | (_categories(panel.dots) if panel.dots else {}),
        "yaxis": _axis(panel.y),
        "shapes": shapes,
        "annotations": [_label(level, palette, log=panel.y.log) for level in own],
        "margin": {"l": 64, "r": 84 if own else 12, "t": 12, "b": 52},
        "showlegend": False,
        "hovermode": "closest",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "inherit", "size": 13, "color": "--ink"},
        "hoverlabel": {"bgcolor": "--paper", "bordercolor": "--rule", "font": {"color": "--ink"}},
    }
    if panel.plane:
        layout["yaxis"] |= {"scaleanchor": "x", "constrain": "domain"}
        layout["xaxis"] |= {"constrain": "domain"}
    return {"data": data, "layout": layout}


def _axis(axis: Axis) -> Json:
    out: Json = {
        "title": {"text": axis.label, "standoff": 10},
        "gridcolor": "--grid",
        "linecolor": "--rule",
        "zeroline": False,
        "showline": True,
        "ticks": "outside",
        "tickcolor": "--rule",
        "automargin": True,
    }
    if axis.log:
        out |= {"type": "log", "minor": {"ticks": "outside", "ticklen": 3}}
    if axis.limits:
        out["range"] = list(axis.limits)
        if axis.log:
            out["range"] = [math.log10(end) for end in axis.limits]
    return out


def _categories(dots: tuple[Dots, ...]) -> Json:
    """Return a category axis whose labels break at spaces, so that they stay level."""
    names = list(dict.fromkeys(name for part in dots for name in part.x))
    return {
        "type": "category",
        "tickvals": names,
        "ticktext": [name.replace(" ", "<br>") for name in names],
        "tickangle": 0,
        "range": [-0.5, len(names) - 0.5],
    }


def _line(line: Line, palette: Palette) -> Json:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": line.color,
        "x": _finite(line.x),
        "y": _finite(line.y),
        "line": {"color": palette.variable(line.color), "width": 2},
        "hovertemplate": "%{y:.5g} at %{x:.5g}<extra>" + line.color + "</extra>",
    }


def _points(points: Points, palette: Palette) -> Json:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": points.name,
        "x": _finite(points.x),
        "y": _finite(points.y),
        "marker": {"color": palette.variable(points.color), **_SYMBOLS[points.symbol]},
        "hovertemplate": "%{x:.5g}, %{y:.5g}<extra>" + points.name + "</extra>",
    }


def _contours(part: Contours, palette: Palette) -> Json:
    width = len(part.x)
    values = _finite(part.values)
    return {
        "type": "contour",
        "name": part.name,
        "x": list(part.x),
        "y": list(part.y),
        "z": [values[i : i + width] for i in range(0, len(values), width)],
        "contours": {
            "coloring": "none",
            "start": part.first,
            "end": part.last,
            "size": part.apart,
            "showlabels": True,
            "labelfont": {"size": 10, "color": "--muted"},
        },
        "autocontour": False,
        "line": {"color": palette.variable(part.color), "width": 1.2, "smoothing": 0},
        "showscale": False,
        "hovertemplate": "%{z:.3g} at %{x:.4g}, %{y:.4g}<extra>" + part.name + "</extra>",
    }


def _dots(dots: Dots, palette: Palette) -> Json:
    up = [None if math.isnan(h) else h - y for y, h in zip(dots.y, dots.high, strict=True)]
    down = [None if math.isnan(low) else y - low for y, low in zip(dots.y, dots.low, strict=True)]
    colors = [palette.variable(color) for color in dots.colors]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": dots.name,
        "x": list(dots.x),
        "y": _finite(dots.y),
        "marker": {"color": colors, "opacity": 1, **_SYMBOLS[dots.symbol]},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": up,
            "arrayminus": down,
            "visible": any(up) or any(down),
            "color": "--muted",
            "thickness": 1.5,
            "width": 5,
        },
        "hovertemplate": "%{y:.4g}<extra>" + dots.name + ", %{x}</extra>",
    }


def _level(level: Level, palette: Palette) -> Json:
    along, across = ("y", "x") if level.vertical else ("x", "y")
    return {
        "type": "line",
        f"{along}ref": "paper",
        f"{along}0": 0,
        f"{along}1": 1,
        f"{across}0": level.at,
        f"{across}1": level.at,
        "line": {"color": palette.variable(level.color), "width": 1.3, "dash": "dash"},
        "layer": "above",
    }


def _label(level: Level, palette: Palette, *, log: bool) -> Json:
    return {
        "xref": "paper",
        "x": 1.0,
        "xanchor": "left",
        "xshift": 6,
        "y": math.log10(level.at) if log else level.at,
        "text": level.name,
        "showarrow": False,
        "font": {"color": palette.variable(level.color), "size": 12},
    }


def _span(span: Span, palette: Palette) -> Json:
    along, across = ("x", "y") if span.horizontal else ("y", "x")
    return {
        "type": "rect",
        f"{along}ref": "paper",
        f"{along}0": 0,
        f"{along}1": 1,
        f"{across}0": span.lower,
        f"{across}1": span.upper,
        "fillcolor": palette.variable(span.color),
        "opacity": 0.13,
        "line": {"width": 0},
        "layer": "below",
    }


def _finite(values: tuple[float, ...]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
