"""From a torch optimizer instance to its filter."""

from passband.identify.known import filter_of

__all__ = ["filter_of"]
