"""What has to be there before the first test."""

# cannot be imported once a doctest has left a list in `builtins._`
import tyro  # noqa: F401  # pyright: ignore[reportUnusedImport]
from beartype.claw import beartype_packages
from typechecks import PACKAGES, conf

beartype_packages(PACKAGES, conf=conf)
