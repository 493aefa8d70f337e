"""The errors that are reported: how far each value may be from the one it is called."""

import math

from passband.spectra.ritz import Pairs, Side


def error_bars(
    end: Side,
    pairs: Pairs,
    *,
    settled: bool,
    looked: bool,
    verified: bool,
) -> list[float]:
    """Return the error of every wanted value of one end.

    Args:
        end: The end.
        pairs: All pairs.
        settled: Whether the search reached its accuracy. If not there is no telling which
            eigenvalue is meant: the bar is twice the residual, and reaches as far as those before.
        looked: Whether there was a second look, which makes the gaps trustworthy. If not, the bar
            is the residual: an eigenvalue is that near, whatever it is called.
        verified: Whether that was conclusive. If not, a copy of the first value that it could
            not tell apart from what else it saw may be missing, and all later ones be called wrong.
    """
    wanted = end.wanted(pairs)
    bars: list[float] = []
    if not settled:
        reach = -math.inf
        for i in wanted:
            key, twice = float(end.key(pairs.values)[i]), 2 * float(pairs.residuals[i])
            reach = max(reach, key + twice)
            bars.append(max(reach - key, pairs.floor))
        return bars
    if not looked:
        return [max(float(pairs.residuals[i]), pairs.floor) for i in wanted]
    first: tuple[float, float] | None = None  # key and error of the first doubtful value
    for i in wanted:
        error, key = end.error(pairs, i, strict=True), float(end.key(pairs.values)[i])
        if not verified and error >= float(pairs.residuals[i]):
            error += end.tolerance(pairs, i)
            first = first or (key, error)
        if first is not None:
            error = max(error, first[0] - key + first[1])
        bars.append(max(error, pairs.floor))
    return bars
