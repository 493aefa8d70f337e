"""The figure of a filter: radius of M(λ) against λ, with the passband shaded."""

from collections.abc import Mapping, Sequence

import numpy as np

from passband.filters import Passband
from passband.studies.exhibits import Axis, Figure, Level, Line, Panel, Span
from passband.studies.methods import Method

POINTS = 241


def filter_curves(
    key: str, methods: Sequence[Method], marks: Mapping[str, float], *, of_marks: str
) -> Figure:
    """Return a panel for each method; curvature runs over both signs, up to 1.6 edges.

    Args:
        key: Short name of the figure.
        methods: Whose filters are drawn.
        marks: Measured curvatures by name of method, drawn as vertical lines.
        of_marks: What was measured.
    """
    return Figure(
        key=key,
        title="What each optimizer lets through",
        caption=(
            "Spectral radius of the one-step matrix M(λ): the factor by which a mode of curvature "
            "λ is multiplied each step. Shaded, and written above, is the passband: every λ with "
            "radius at most one. A part at λ < 0 is a kind of saddle that attracts the optimizer. "
            f"The vertical line is {of_marks}."
        ),
        panels=tuple(_panel(method, marks.get(method.name)) for method in methods),
        columns=3,
    )


def _written(passband: Passband) -> str:
    """Write a passband with four digits."""
    parts = (
        f"{{{i.lower:.4g}}}" if i.is_point else f"[{i.lower:.4g}, {i.upper:.4g}]" for i in passband
    )
    return " ∪ ".join(parts).replace("-", "−")


def _panel(method: Method, mark: float | None) -> Panel:
    filter = method.filter()
    passband, edge = filter.passband(), filter.edge
    lam = np.linspace(-0.5, 1.6, POINTS) * edge
    radius = filter.radius(lam)
    spans = tuple(
        Span(name="passband", color=method.name, lower=lower, upper=upper)
        for lower, upper in (
            (max(i.lower, float(lam[0])), min(i.upper, float(lam[-1]))) for i in passband
        )
        if lower < upper
    )
    at = () if mark is None else (Level(name="measured", color="ink", at=mark, vertical=True),)
    return Panel(
        title=f"{method.name}: {_written(passband)}",
        x=Axis(label="curvature λ", limits=(float(lam[0]), float(lam[-1]))),
        y=Axis(label="radius of M(λ)", limits=(0.0, 2.0)),
        lines=(
            Line(
                name="radius",
                color=method.name,
                x=tuple(map(float, lam)),
                y=tuple(map(float, radius)),
            ),
        ),
        levels=(Level(name="one", color="ink", at=1.0), *at),
        spans=spans,
    )
