"""Strategies for two coupled blocks."""

from hypothesis import strategies as st

from passband.transients import (
    Blocks,
)

RADII = st.floats(0, 0.99)


COUPLINGS = st.floats(-2, 2).map(lambda decade: 10**decade)


@st.composite
def blocks(draw: st.DrawFn) -> Blocks:
    a, b, c = draw(RADII), draw(RADII), draw(COUPLINGS)
    share = draw(st.sampled_from([0.0, 0.3, 0.9]))
    return Blocks(a=a, b=b, c=c, e=share * (1 - a) * (1 - b) / c)
