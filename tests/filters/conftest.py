"""A test that takes `filter` holds for all of the catalogue."""

import pytest
from catalogue import CATALOGUE

from passband.filters import (
    Filter,
)


@pytest.fixture(params=CATALOGUE, ids=repr)
def filter(request: pytest.FixtureRequest) -> Filter:
    """Return every filter of the catalogue in turn."""
    return request.param
