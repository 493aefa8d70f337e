"""From a torch optimizer instance to its filter: known in closed form, or measured."""

from passband.identify.known import filter_of
from passband.identify.measurement import measure

__all__ = ["filter_of", "measure"]
