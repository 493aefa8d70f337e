"""``passband design``: from a wanted edge to an optimizer that has it."""

import itertools
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from passband import filters
from passband.cli.edge import catalogue, describe, fields_of
from passband.cli.options import read_options
from passband.cli.suggest import closest
from passband.errors import FilterWarning
from passband.filters import SGD, Filter, design, pareto
from passband.filters.checks import check_positive
from passband.filters.design import knobs
from passband.filters.sheet import call

_EXAMPLES = """examples:
  $ passband design usam --edge 20 --lr 0.01 --momentum 0.9     # which rho?
  $ passband design sgd --edge 20 --momentum 0.9                # which lr?
  $ passband design --edge 20 --lr 0.01                         # every way there, side by side
  $ passband design usam derivative-action --edge 20 --lr 0.01  # these two"""

_LEGEND = """* on the Pareto front of gradients, vectors, noise and mean-square edge
edge         the largest curvature that is let through
leak         whether negative curvatures are let through too (saddles attract)
gain         speed of flat modes; compare edges at equal gain
κ            regularization of ‖∇f‖² on smooth stretches
gradients    and vectors: what a step costs, and what it keeps beside the weights
noise        variance at .1 and .5 of the edge, relative to {first}
mean square  the edge in mean square, over the edge, where curvature varies by half among batches"""

EVERY_WAY: tuple[type[Filter], ...] = (
    SGD,
    filters.USAM,
    filters.HessianUSAM,
    filters.DerivativeAction,
    filters.ExtrapolatedNesterov,
    filters.Secant,
    filters.Optimistic,
)
"""What is compared where no optimizer is named; all but the first keep the learning rate."""


def main(arguments: Sequence[str]) -> int:
    """Print the optimizers that have the edge that the arguments ask for."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print("usage: passband design [OPTIMIZER ...] --edge EDGE [--lr LR] [options]\n")
        print("Finds rho, or a strength, where lr is given; lr where it is not. Edges compare only")
        print("at equal gain (the speed of flat modes), so the table has it beside them.\n")
        known = [name for name, kind in catalogue().items() if knobs(kind)]
        print(f"{_EXAMPLES}\n\noptimizers: {', '.join(known)}")
        return 0
    names = list(itertools.takewhile(lambda word: not word.startswith("--"), arguments))
    options = read_options(arguments[len(names) :])
    known = {name: kind for name, kind in catalogue().items() if knobs(kind)}
    for name in names:
        if name not in known:
            print(f"passband design: no optimizer {name!r}{closest(name, known)}", file=sys.stderr)
            print(f"Known: {', '.join(known)}.", file=sys.stderr)
            return 2
    if "edge" not in options:
        raise ValueError("`passband design` needs the wanted edge: --edge 20, say.")
    edge = options.pop("edge")
    if not isinstance(edge, int | float):
        raise ValueError(f"`--edge` must be a number; got {edge!r}.")
    check_positive(edge=edge)
    if len(names) == 1:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", FilterWarning)
            print(describe(design(known[names[0]], edge=edge, **options)))
        for warning in caught:
            print(f"note: {warning.message}")
        return 0
    kinds = [known[name] for name in names] or EVERY_WAY
    print(side_by_side(kinds, edge, options))
    return 0


def side_by_side(kinds: Sequence[type[Filter]], edge: float, options: dict[str, Any]) -> str:
    """Return a table of designs, each with the options that its family knows.

    Raises:
        ValueError: No family takes one of the options, or none reaches the edge.
    """
    takes = {kind: {field.name for field in fields_of(kind)} for kind in kinds}
    useless = [key for key in options if not any(key in names for names in takes.values())]
    if useless:
        raise ValueError(f"none of the optimizers takes --{useless[0].replace('_', '-')}.")
    found: list[Filter] = []
    notes: list[str] = []
    if "lr" in options and SGD in kinds:
        notes.append(f"SGD at lr={options['lr']:g}: its edge is its lr's alone, so it has its own")
    for kind in kinds:
        given = {key: value for key, value in options.items() if key in takes[kind]}
        if kind is SGD:
            given.pop("lr", None)  # its only way to an edge
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FilterWarning)  # the table has a column of leaks
                found.append(design(kind, edge=edge, **given))
        except (TypeError, ValueError) as error:
            notes.append(f"{kind.__name__}: {error}")
    if not found:
        raise ValueError(" ".join(notes))
    first = _LEGEND.format(first=call(found[0]))
    return "\n".join([str(pareto(found)), "", first, *(f"not: {note}" for note in notes)])
