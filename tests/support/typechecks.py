"""The checker of annotations in tests: whole numbers stand for real ones, as Python has it."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
