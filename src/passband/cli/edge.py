"""``passband edge``: which curvatures an optimizer lets through."""

import cmath
import dataclasses
import inspect
import itertools
import re
import sys
from collections.abc import Sequence
from typing import Any

from passband import filters
from passband.cli.options import read_options
from passband.cli.plot import curve
from passband.cli.suggest import closest
from passband.filters import Filter, Interval
from passband.filters.sheet import call

_EXAMPLES = """examples:
  $ passband edge sgd --lr 0.1 --momentum 0.9
  $ passband edge usam --lr 0.01 --rho 0.1 --steps 2
  $ passband edge torch.optim:NAdam --lr 0.001            # any class: measured, not looked up
  $ passband edge --compare sgd usam hessian-usam --lr 0.01 --rho 0.1 --momentum 0.9"""


def catalogue() -> dict[str, type[Filter]]:
    """Return every filter that options alone can make, by its command-line name."""
    found = [getattr(filters, name) for name in filters.__all__]
    return {
        _command_name(kind.__name__): kind
        for kind in found
        if inspect.isclass(kind)
        and issubclass(kind, Filter)
        and dataclasses.is_dataclass(kind)
        and all(_is_option(field.type) for field in fields_of(kind))
    }


def main(arguments: Sequence[str]) -> int:
    """Print the passband of the optimizer that the arguments name."""
    known = catalogue()
    if not arguments or arguments[0] in {"-h", "--help"}:
        print("usage: passband edge OPTIMIZER --lr LR [options]")
        print("       passband edge MODULE:CLASS [options of the class]")
        print(f"       passband edge --compare OPTIMIZER ... [options]\n\n{_EXAMPLES}\n")
        print(f"optimizers: {', '.join(known)}\n`passband edge usam --help` shows its options.")
        return 0
    name, *rest = arguments
    if name == "--compare":
        print(compare(rest))
        return 0
    if ":" in name:
        from passband.cli.any_class import measured

        print(describe(measured(name, rest)))
        return 0
    if name not in known:
        print(f"passband edge: no optimizer {name!r}{closest(name, known)}", file=sys.stderr)
        print(f"Known: {', '.join(known)}.", file=sys.stderr)
        return 2
    import tyro

    if rest and rest[0] in known:
        raise ValueError(
            f"one optimizer at a time; got {name} and {rest[0]}. For a table: passband edge "
            f"--compare {name} {rest[0]} …"
        )
    kind = known[name]
    summary = (inspect.getdoc(kind) or "").split("\n\n")[0].replace("``", "").replace("`", "")
    chosen = tyro.cli(kind, args=rest, prog=f"passband edge {name}", description=summary)
    print(describe(chosen))
    return 0


def compare(arguments: Sequence[str]) -> str:
    """Return a table of several optimizers; each takes the options that it knows."""
    known = catalogue()
    names = list(itertools.takewhile(lambda word: not word.startswith("--"), arguments))
    if not names:
        raise ValueError(f"`--compare` needs optimizers to compare, of {', '.join(known)}.")
    options = read_options(arguments[len(names) :])
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no optimizer {unknown[0]!r}{closest(unknown[0], known)}")
    takes = {name: {field.name: field for field in fields_of(known[name])} for name in names}
    useless = [key for key in options if not any(key in fields for fields in takes.values())]
    if useless:
        raise ValueError(f"none of {', '.join(names)} takes --{useless[0].replace('_', '-')}.")
    rows = [("optimizer", "edge", "gradients", "admitted λ")]
    for name in names:
        missing = [
            f"--{key}"
            for key, field in takes[name].items()
            if field.default is dataclasses.MISSING and key not in options
        ]
        if missing:
            raise ValueError(f"{name} needs {', '.join(missing).replace('_', '-')}.")
        kind = known[name]
        filter = kind(**{key: value for key, value in options.items() if key in takes[name]})
        passband = filter.passband()
        cost = f"{filter.gradients_per_step:g}"
        rows.append((name, f"{passband.edge:.6g}", cost, str(passband)))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}"
        for row in rows
    )


def describe(filter: Filter) -> str:
    """Return passband, edge, cost and a small plot of the radius, as text."""
    passband = filter.passband()
    lines = [call(filter), "", f"admitted λ   {passband}"]
    if filter.curvature == "preconditioned":
        lines += ["             λ of P^(-1/2) H P^(-1/2), with the preconditioner P as it is"]
    lines += [f"edge         {passband.edge:.9g}{_exit(passband.edge, passband.intervals)}"]
    if passband.islands:
        lines += [f"islands      {' ∪ '.join(map(str, passband.islands))}"]
    if passband.leaks:
        lines += [f"saddle leak  {' ∪ '.join(map(str, passband.leaks))}"]
    lines += [f"cost         {filter.gradients_per_step:g} gradient(s) a step"]
    return "\n".join([*lines, "", curve(filter, passband)])


def _exit(edge: float, intervals: Sequence[Interval]) -> str:
    """Return in words how stability is lost at the edge."""
    z = next((i.upper_exit for i in intervals if i.upper == edge), None)
    if z is None:
        return ""
    if z == 1:
        return "   (beyond, the mode drifts away: multiplier +1)"
    if z == -1:
        return "   (beyond, the mode alternates: multiplier -1)"
    period = 2 * cmath.pi / abs(cmath.phase(z))
    return f"   (beyond, the mode rotates: period {period:.3g} steps)"


def fields_of(kind: type) -> Sequence["dataclasses.Field[object]"]:
    """Return the options of a filter class."""
    return dataclasses.fields(kind)


def _is_option(annotation: Any) -> bool:
    """Return whether a command line can give a value of this type: numbers, flags, words."""
    if annotation in {float, int, bool}:
        return True
    arguments = getattr(annotation, "__args__", ())
    return bool(arguments) and all(a is float or isinstance(a, str) for a in arguments)


def _command_name(name: str) -> str:
    """Return ``hessian-usam`` for ``HessianUSAM``, ``rmsprop`` and ``adamw`` for torch's."""
    words = re.findall(r"[A-Z]+[a-z0-9]*[A-Z]?$|[A-Z]+[a-z0-9]*", name)
    return "-".join(words).lower()
