"""A dense scan of the radius never disagrees with the algebraic passband."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from passband.filters import (
    SGD,
    USAM,
    Delayed,
    Filter,
    HessianUSAM,
    LocalSGD,
    Lookahead,
    Parity,
    Schedule,
    ScheduleFree,
)

SETTINGS = settings(deadline=None, max_examples=15)
rates = st.floats(-8, 4).map(lambda x: 10.0**x)
momenta = st.one_of(st.sampled_from([-1.0, -0.9, 0.0, 0.9, 0.99, 1.0, 1.1]), st.floats(-1.2, 1.2))


def assert_scan_agrees(filter: Filter, *, scale: float) -> None:
    """Compare away from the boundaries, where the radius is right to √eps only."""
    passband = filter.passband()
    ends = np.array([e for i in passband for e in i if np.isfinite(e)] or [scale])
    reach = max(np.abs(ends).max(), 1e-3 * scale)
    lam = np.concatenate(
        [
            np.linspace(-2 * reach, 2 * reach, 4001),
            *(sign * scale * np.geomspace(1e-6, 1e6, 2000) for sign in (-1, 1)),
            *(
                np.concatenate([e * (1 + d), e * (1 - d)])
                for e in ends
                for d in [np.geomspace(1e-6, 1e-2, 20)]
            ),
        ]
    )
    clear = np.abs(lam[:, None] - ends).min(axis=1) > 1e-7 * np.maximum(np.abs(lam), 1e-9 * scale)
    lam = lam[clear]

    radius = filter.radius(lam)
    inside = passband.contains(lam)

    wrongly_out = lam[(radius < 1 - 1e-12) & ~inside]
    wrongly_in = lam[(radius > 1 + 1e-7) & inside]
    assert not len(wrongly_out), f"{filter}: {passband} leaves out {wrongly_out[:5]}"
    assert not len(wrongly_in), f"{filter}: {passband} lets in {wrongly_in[:5]}"


@SETTINGS
@given(
    lr=rates,
    momentum=momenta,
    nesterov=st.booleans(),
    dampening=st.floats(-1, 0.99),
    decay=st.sampled_from([0.0, 1e-9, 0.1, 3.0]),
)
def test_sgd(lr: float, momentum: float, nesterov: bool, dampening: float, decay: float) -> None:
    nesterov = nesterov and momentum != 0
    filter = SGD(
        lr=lr,
        momentum=momentum,
        nesterov=nesterov,
        dampening=dampening if momentum and not nesterov else 0.0,
        weight_decay=decay / lr,
    )

    assert_scan_agrees(filter, scale=1 / lr)


@SETTINGS
@given(
    lr=rates,
    momentum=momenta,
    nesterov=st.booleans(),
    reach=st.floats(-4, 4),
    sign=st.sampled_from([-1, 0, 1]),
    steps=st.integers(1, 9),
    decay=st.sampled_from([0.0, 1e-9, 0.1, 3.0]),
    placement=st.sampled_from(["coupled", "loss", "decoupled"]),
)
def test_ascent(
    *,
    lr: float,
    momentum: float,
    nesterov: bool,
    reach: float,
    sign: int,
    steps: int,
    decay: float,
    placement: str,
) -> None:
    options = {
        "lr": lr,
        "momentum": momentum,
        "nesterov": nesterov and momentum != 0,
        "weight_decay": decay / lr,
        "decay": placement,
    }
    rho = sign * 10.0**reach * lr

    assert_scan_agrees(USAM(rho=rho, steps=steps, **options), scale=1 / lr)  # pyright: ignore[reportArgumentType]
    assert_scan_agrees(HessianUSAM(rho=rho * lr, **options), scale=1 / lr)  # pyright: ignore[reportArgumentType]


COSINE = 0.05001 + 0.05 * np.cos(2 * np.pi * np.arange(50) / 50)


@pytest.mark.parametrize(
    "filter",
    [
        Schedule([SGD(lr=float(lr)) for lr in COSINE]),
        Schedule([SGD(lr=float(lr), momentum=0.9) for lr in COSINE[::3]]),
        Lookahead(
            LocalSGD(lr=0.80423, steps=8, outer_lr=3.65333, outer_momentum=-0.61492), k=7, alpha=0.5
        ),
        Lookahead(
            Lookahead(
                Parity(lr=3.6469, strength=0.0, momentum=0.56103), k=7, alpha=1.0, reset=True
            ),
            k=6,
            alpha=0.5,
            reset=True,
        ),
        Lookahead(
            Lookahead(USAM(lr=4.92794, rho=-0.118048), k=6, alpha=1.0, reset=True), k=5, alpha=0.5
        ),
        Lookahead(
            LocalSGD(lr=6.3282, steps=1, outer_lr=0.33054, outer_momentum=0.5),
            k=1,
            alpha=1.0,
            reset=True,
        ),
        Lookahead(
            LocalSGD(lr=2.18406, steps=5, outer_lr=2.3634, outer_momentum=0.0), k=5, alpha=0.3
        ),
    ],
    ids=[
        "cosine",
        "cosine with momentum",
        "of local steps",
        "reset twice",
        "calm above",
        "affine",
        "copy",
    ],
)
def test_long_periods_whose_conditions_have_a_high_degree(filter: Filter) -> None:
    assert_scan_agrees(filter, scale=1.0)


@pytest.mark.parametrize(
    "base",
    [
        Lookahead(SGD(lr=1.0), k=2, alpha=0.5),
        LocalSGD(lr=1.0, steps=2, outer_lr=0.7, outer_momentum=0.5),
        ScheduleFree(lr=1.0, averaging=0.1),
        Delayed(lr=1.0, delay=2),
    ],
    ids=lambda base: type(base).__name__,
)
def test_emptying_buffers_does_not_move_weights_that_stand_still(base: Filter) -> None:
    meeting = Lookahead(base, k=3, alpha=0.5, reset=True)

    assert np.abs(meeting.multipliers(0.0) - 1).min() < 1e-12
    assert_scan_agrees(meeting, scale=1.0)
    assert meeting.gain > 0  # stages of one name each
    assert np.isfinite(meeting.noise(0.01))
