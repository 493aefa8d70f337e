"""Measuring curvature in other units changes nothing but the numbers."""

import dataclasses
from typing import Any

import pytest
from numpy.testing import assert_allclose

from passband.filters import Filter, FisherSAM, HessianUSAM

POWERS = {"lr": 1, "rho": 1, "strength": 1, "weight_decay": -1}


def in_other_units(filter: Any, unit: float) -> Any:
    """The same optimizer where every curvature is divided by ``unit``."""
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(filter):
        value: Any = getattr(filter, field.name)
        power = POWERS.get(field.name, 0)
        if field.name == "rho" and isinstance(filter, HessianUSAM | FisherSAM):
            power = 2 if isinstance(filter, HessianUSAM) else 0
        if isinstance(value, Filter):
            changes[field.name] = in_other_units(value, unit)
        elif isinstance(value, tuple) and isinstance(value[0], Filter):
            changes[field.name] = [in_other_units(part, unit) for part in value]
        elif power:
            plain: float = getattr(filter, field.name)
            changes[field.name] = plain * unit**power
    return dataclasses.replace(filter, **changes)


@pytest.mark.parametrize("unit", [1e-7, 1e5])
def test_a_filter_has_no_units_of_its_own(filter: Filter, unit: float) -> None:
    other = in_other_units(filter, unit)

    plain, scaled = filter.passband(), other.passband()
    assert len(plain) == len(scaled)
    reach = max(abs(end) for interval in plain for end in interval)
    for one, two in zip(plain, scaled, strict=True):
        tolerance = 1e-12 * min(reach, 1e9)
        assert_allclose([end * unit for end in two], tuple(one), rtol=1e-9, atol=tolerance)
    assert_allclose(other.gain, filter.gain * unit, rtol=1e-9)
    assert_allclose(other.kappa, filter.kappa * unit, rtol=1e-8)
    lam = 0.3 * min(filter.edge, 1e2)
    assert_allclose(other.noise(lam / unit), filter.noise(lam) * unit**2, rtol=1e-8)
    assert_allclose(other.overshoot(lam / unit).peak, filter.overshoot(lam).peak, rtol=1e-8)
