"""What every filter of the catalogue must satisfy."""

import math
import pickle

import numpy as np
from catalogue import CATALOGUE
from numpy.testing import assert_allclose

from passband import filters
from passband.filters import Filter, Proximal


def grid(filter: Filter) -> np.ndarray:
    """Curvatures of both signs around everything that happens."""
    ends = [abs(end) for interval in filter.passband() for end in interval]
    reach = 1.5 * max([end for end in ends if math.isfinite(end)], default=1.0)
    return np.concatenate([np.linspace(-reach, reach, 3001), reach * np.geomspace(1e-9, 1e3, 200)])


def test_the_catalogue_has_every_filter_that_is_exported() -> None:
    exported = {value for value in vars(filters).values() if isinstance(value, type)}
    families = {kind for kind in exported if issubclass(kind, Filter) and kind is not Filter}

    missing = families - {type(filter) for filter in CATALOGUE}
    assert not missing, f"add {missing} to CATALOGUE in tests/support/catalogue.py"


def test_a_scan_of_the_radius_agrees_with_the_passband(filter: Filter) -> None:
    passband, lam = filter.passband(), grid(filter)

    radius, inside = filter.radius(lam), passband.contains(lam)

    assert not lam[(radius < 1 - 1e-9) & ~inside].size
    # near a boundary the radius leaves one slowly, and by √eps where multipliers are multiple
    assert not lam[(radius > 1 + 1e-7) & inside].size


def test_ends_are_where_the_exit_is_a_multiplier(filter: Filter) -> None:
    for interval in filter.passband():
        for end, z in zip(interval, (interval.lower_exit, interval.upper_exit), strict=True):
            if math.isinf(end):
                assert z is None
                continue
            assert z is not None
            assert_allclose(abs(z), 1, rtol=1e-12)
            assert abs(filter.multipliers(end) - z).min() < 1e-6


def test_intervals_are_disjoint_and_ascending(filter: Filter) -> None:
    ends = [end for interval in filter.passband() for end in interval]

    assert ends == sorted(ends)
    assert all(
        a.upper < b.lower
        for a, b in zip(filter.passband(), filter.passband().intervals[1:], strict=False)
    )


def test_without_decay_flat_modes_stay(filter: Filter) -> None:
    decays = getattr(filter, "weight_decay", 0.0)

    multipliers = filter.multipliers(0.0)

    if decays:
        assert filter.radius(0.0) < 1
    else:
        assert abs(multipliers - 1).min() < 1e-12


def test_gain_and_kappa_are_the_logarithm_of_the_slow_multiplier(filter: Filter) -> None:
    """Log z = −c₁ (λ + κ λ²) a step, from a circle of curvatures around where modes stand still."""
    still = next(interval.lower for interval in filter.passband() if 1e-9 in interval)
    size = 1e-3 / max(abs(filter.gain), 1e-3)
    turns = size * np.exp(2j * np.pi * np.arange(32) / 32)
    z = filter.multipliers(still + turns)
    slow = z[np.arange(32), np.abs(z - 1).argmin(axis=1)]

    series = np.fft.fft(np.log(slow)).real / 32 / size ** np.arange(32)

    assert_allclose(filter.gain * filter.period, -series[1], rtol=1e-6)
    assert_allclose(filter.kappa, series[2] / series[1], rtol=1e-4, atol=1e-6 * abs(1 / size))


def test_noise_is_the_energy_of_the_impulse_response(filter: Filter) -> None:
    """S = Σₖ (x·sₖ)², the state sₖ after k steps that started with a unit error of one batch."""
    if len(filter.stages) > 1:
        return  # see the tests of schedules
    edge = min(filter.edge, 1e3)
    lam = 0.3 * edge
    stage = next(iter(filter.stages))
    M = filter.transition(lam)
    state = stage.loop.b * float(stage.response.sensitivity(np.float64(lam)))
    energy = 0.0
    for _ in range(20000):
        energy += float(stage.loop.x @ state) ** 2
        state = M @ state
        if np.abs(state).max() < 1e-12:
            break

    assert_allclose(filter.noise(lam), energy, rtol=1e-8)


def test_noise_outside_is_infinite(filter: Filter) -> None:
    outside = 1.1 * max(i.upper for i in filter.passband())

    if math.isfinite(outside):
        assert filter.noise(outside) == math.inf


def test_the_mean_square_edge_falls_from_the_edge(filter: Filter) -> None:
    if isinstance(filter, Proximal):
        assert math.isnan(filter.mean_square_edge(ratio=0.5))
        return
    edges = [filter.mean_square_edge(ratio=ratio) for ratio in (0.3, 1.0)]

    assert filter.edge > edges[0] > edges[1] > 0


def test_costs_are_positive(filter: Filter) -> None:
    assert filter.gradients_per_step >= 1 or isinstance(filter, Proximal)
    assert filter.memory >= 0
    assert filter.period >= 1


def test_a_filter_is_a_value(filter: Filter) -> None:
    names = {name: getattr(filters, name) for name in filters.__all__}

    assert eval(repr(filter), names) == filter
    assert hash(pickle.loads(pickle.dumps(filter))) == hash(filter)
