"""What has to be there before the first test."""

import tyro  # noqa: F401 - cannot be imported once a doctest has left a list in `builtins._`
