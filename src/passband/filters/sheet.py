"""A filter's data sheet, as text and as HTML."""

import cmath
import dataclasses
import html
import math
from collections.abc import Iterable
from typing import Any

RATIO = 0.5  # spread of batch curvature for which mean-square edges are shown


def call(filter: Any) -> str:
    """Return the shortest constructor call that makes a filter, to eight digits.

    Options at their default are left out. What no call makes says itself what it is.
    """
    if not dataclasses.is_dataclass(filter) or isinstance(filter, type):
        return type(filter).__name__
    if not filter.__dataclass_params__.repr:  # pyright: ignore[reportAttributeAccessIssue]
        return repr(filter)
    written = [
        f"{field.name}={_written(getattr(filter, field.name))}"
        for field in dataclasses.fields(filter)
        if field.default is dataclasses.MISSING or getattr(filter, field.name) != field.default
    ]
    return f"{type(filter).__name__}({', '.join(written)})"


def rows(filter: Any) -> list[tuple[str, str, str]]:
    """Return name, value and meaning of everything there is to say about a filter."""
    passband = filter.passband()
    edge = passband.edge
    of = "the Hessian" if filter.curvature == "plain" else "P^(-1/2) H P^(-1/2), P as it is,"
    table = [("admits", str(passband), f"eigenvalues of {of} it can settle at")]
    if edge > 0:
        exit = next(i.upper_exit for i in passband if i.upper == edge)
        table.append(("edge", f"{edge:.6g}", _beyond(exit)))
    if passband.islands:
        table.append(("islands", _joined(passband.islands), "admitted above the edge"))
    if passband.leaks:
        table.append(("leak", _joined(passband.leaks), "saddles there attract"))
    if math.isnan(filter.gain):
        table.append(("gain", "–", "no single multiplier is the slow one"))
    else:
        table += [
            ("gain", f"{filter.gain:.6g}", "flat modes shrink by gain · λ a step"),
            ("κ", f"{filter.kappa:.6g}", "smooth stretches follow f + (κ/2) ‖∇f‖²"),
        ]
    if 0 < edge < math.inf:
        variances = filter.noise([0.1 * edge, 0.5 * edge]).tolist()
        if not any(map(math.isnan, variances)):  # it is known how noise enters
            shown = ", ".join(f"{v:.3g}" for v in variances)
            spread = filter.mean_square_edge(ratio=RATIO)
            table += [
                ("noise", shown, "variance at 0.1, 0.5 edge for unit gradient noise"),
                ("mean square", f"{spread:.6g}", f"edge if batch curvature varies by {RATIO:.0%}"),
            ]
        units = "displacements" if filter.stages else "the last iterates"
        near = [filter.overshoot(part * edge) for part in (0.01, 0.5, 0.99)]
        peaks = ", ".join(f"{o.peak:.3g}" for o in near)
        table += [
            ("overshoot", peaks, f"peak of ‖Mᵏ‖ at 0.01, 0.5, 0.99 edge, in {units}"),
            ("settling", f"{filter.settling(edge / 2):g}", "steps to 1/1000 at 0.5 edge"),
        ]
    cost = f"{filter.gradients_per_step:.4g}"
    return [*table, ("cost", cost, f"gradients a step; {_vectors(filter.memory)} kept")]


def text(filter: Any) -> str:
    """Return the data sheet as aligned lines."""
    table = rows(filter)
    names, values = (max(len(row[i]) for row in table) for i in (0, 1))
    lines = [f"  {n:<{names}}  {v:<{values}}  {meaning}".rstrip() for n, v, meaning in table]
    return "\n".join([call(filter), *lines])


def page(filter: Any) -> str:
    """Return the data sheet as an HTML table."""
    cells = "".join(
        "<tr>"
        + "".join(f"<td style='text-align:left'>{html.escape(c)}</td>" for c in row)
        + "</tr>"
        for row in rows(filter)
    )
    return f"<p><code>{html.escape(call(filter))}</code></p><table>{cells}</table>"


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        inner = ", ".join(map(_written, value))
        return f"({inner})"
    if isinstance(value, float):
        return repr(float(f"{value:.8g}"))
    return call(value) if dataclasses.is_dataclass(value) else repr(value)


def _joined(intervals: Iterable[Any]) -> str:
    return " ∪ ".join(map(str, intervals))


def _beyond(exit: complex | None) -> str:
    """Return in words how stability is lost."""
    if exit is None:
        return "no end"
    if abs(exit - 1) < 1e-9:
        return "beyond, modes drift away"
    if abs(exit + 1) < 1e-9:
        return "beyond, modes alternate"
    return f"beyond, modes rotate with period {2 * math.pi / abs(cmath.phase(exit)):.3g} steps"


def _vectors(count: float) -> str:
    return "1 vector" if count == 1 else f"{count:g} vectors"
