"""The checker of annotations in tests: whole numbers stand for real ones, as Python has it.

Modules whose signatures have shapes are checked by jaxtyping (`pyproject.toml` names them), the
others of these packages by beartype alone, which costs less a call. Not `filters`,
`identify`, `spectra`, `transients`: their inner functions run so often that checking them takes
as long as all other tests.
"""

from beartype import BeartypeConf, beartype

PACKAGES = tuple(
    f"passband.{name}"
    for name in ("checkup", "monitor", "operators", "optim", "problem", "studies", "verdict")
)

# passed at every product, and they check what they are given themselves
INNER = ("passband.operators.algebra", "passband.operators.base")

conf = BeartypeConf(
    is_pep484_tower=True, claw_is_pep526=False, claw_skip_package_names=frozenset(INNER)
)
check = beartype(conf=conf)
