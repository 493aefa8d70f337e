"""A small plot of a filter in the terminal."""

import math

import numpy as np

from passband.filters import Filter, Passband

_BARS = " ▁▂▃▄▅▆▇█"


def curve(filter: Filter, passband: Passband, *, width: int = 64) -> str:
    """Return the radius of ``M(λ)`` over the interesting λ, and below it what is admitted.

    The plot is a picture, 64 samples wide; the numbers come from the algebraic passband.
    """
    ends = [end for interval in passband for end in interval if math.isfinite(end)]
    high = max([0.0, *ends]) or 1.0
    low = min([0.0, *ends])
    margin = 0.15 * (high - low)
    lam = np.linspace(low - (margin if low < 0 else 0.0), high + margin, width)
    radius = filter.radius(lam)
    height = np.clip(np.round(radius / 1.5 * 8), 0, 8).astype(int)
    band = "".join("█" if lam_i in passband else "·" for lam_i in lam)
    axis = f"{lam[0]:<{width // 2}.4g}{lam[-1]:>{width - width // 2}.4g}"
    return "\n".join(
        [
            f"radius    {''.join(_BARS[h] for h in height)}  (full height: 1.5 or more)",
            f"admitted  {band}",
            f"λ         {axis}",
        ]
    )
