"""What is worth saying about a series of probes, said once when it begins."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, final

from passband.filters import Filter
from passband.filters.design import knobs
from passband.monitor.probe import Probe
from passband.verdict import suggest

Kind = Literal["edge", "past", "leak", "outside", "rounding", "unjudged", "shrunk", "failed"]

ENTERS, LEAVES = 0.97, 0.9
"""Ratios at which training enters the edge of stability, and leaves it again."""

PAST = 1.1
"""A ratio beyond the fluctuations around the edge."""

_CRITICAL = 1e-6  # distance over ‖θ‖: closer than this a critical point is reached


@final
@dataclass(frozen=True, slots=True)
class Event:
    """Something that began at a step.

    Attributes:
        step: When.
        kind: ``"edge"``: the sharpness came to the edge; ``"past"``: it is beyond; ``"leak"``: a
            saddle attracts; ``"outside"``: training stands still at a point that the filter does
            not admit; ``"rounding"``: the ascent is rounded away; ``"unjudged"``: there is no edge
            to hold the sharpness against; ``"shrunk"``: out of memory, the probe goes on in
            smaller batches; ``"failed"``: a probe failed.
        message: A sentence with the numbers and what to do.
    """

    step: int
    kind: Kind
    message: str


@final
class Watch:
    """Turns probes into events, each kind once until its condition has gone."""

    def __init__(self) -> None:
        self.active: set[Kind] = set()

    def events(self, probe: Probe, filter: Filter | None) -> Iterator[Event]:
        """Yield what begins with this probe."""
        ratio = probe.ratio
        unjudged = filter is None and bool(probe.note) and probe.step > 0  # Adam needs a step
        if self._begins("unjudged", on=unjudged, off=not unjudged):
            yield Event(probe.step, "unjudged", probe.note)
        if self._begins("edge", on=ENTERS <= ratio < math.inf, off=ratio < LEAVES):
            yield Event(
                probe.step,
                "edge",
                f"entered the edge of stability: sharpness {probe.sharpness:.4g} is {ratio:.3g} of "
                f"the edge {probe.edge:.4g}.",
            )
        if self._begins("past", on=ratio > PAST, off=ratio < 1):
            modes = f"in {probe.above} of the measured modes"
            where = modes if probe.above else "(its error bar reaches below the edge)"
            yield Event(
                probe.step,
                "past",
                f"past the edge {where}, sharpness "
                f"{probe.sharpness:.4g} against {probe.edge:.4g}{_that_would_hold(probe, filter)}.",
            )
        leaks = filter.leaks if filter is not None else ()
        low = probe.smallest
        bar = probe.smallest_error if probe.smallest_error > 0 else 0.0
        leak = any(i.lower <= low <= i.upper < 0 for i in leaks)
        clear = all(low + bar < i.lower or low - bar > i.upper for i in leaks if i.upper < 0)
        if self._begins("leak", on=leak, off=clear):
            yield Event(
                probe.step,
                "leak",
                f"the smallest eigenvalue {low:.4g} ± {bar:.1g} lies where saddles attract this "
                "optimizer. A smaller rho, or HessianUSAM, would leave it.",
            )
        near = probe.distance <= _CRITICAL
        blur = probe.error / probe.sharpness if probe.error > 0 else 0.0
        outside = near and ratio > 1.01 + blur
        if self._begins("outside", on=outside, off=not outside):
            yield Event(
                probe.step,
                "outside",
                f"the gradient has vanished ({probe.gradient_norm:.2g}) where the filter admits no "
                f"minimum (ratio {ratio:.3g}): rounding, or an exact start, holds it there.",
            )
        lost = probe.moved_share < 0.5
        if self._begins("rounding", on=lost, off=not lost):
            yield Event(
                probe.step,
                "rounding",
                f"only {probe.moved_share:.1%} of the weights move under the ascent: rho is too "
                "small to matter in this precision.",
            )

    def _begins(self, kind: Kind, *, on: bool, off: bool) -> bool:
        if on and kind not in self.active:
            self.active.add(kind)
            return True
        if off:
            self.active.discard(kind)
        return False


def _that_would_hold(probe: Probe, filter: Filter | None) -> str:
    if probe.edge == 0:
        return ", as no curvature just above zero is let through"
    if filter is None or not knobs(type(filter)) or not math.isfinite(probe.sharpness):
        return ""
    found = suggest(filter, probe.sharpness, ratio=1.0).changes
    lr = next((change.value for change in found if change.option == "lr"), None)
    if lr is None:
        return ""
    now = next(change.now for change in found if change.option == "lr")
    return f": lr ≤ {probe.lr * lr / now:.3g} would hold it"
