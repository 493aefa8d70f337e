"""The command line. Each command is one module, imported when it is called."""

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

from passband.cli.suggest import closest

__all__ = ["main"]


class Command(NamedTuple):
    """Where a command lives and what it does, in one line."""

    module: str
    summary: str
    example: str


COMMANDS = {
    "demo": Command(
        "passband.cli.demo",
        "train real networks with six optimizers, measure their minima, judge them",
        "passband demo --quick",
    ),
    "edge": Command(
        "passband.cli.edge",
        "which curvatures an optimizer lets through",
        "passband edge usam --lr 0.01 --rho 0.1 --momentum 0.9",
    ),
    "design": Command(
        "passband.cli.design",
        "which optimizer has the edge you want, and what it costs",
        "passband design --edge 20 --lr 0.01 --momentum 0.9",
    ),
    "inspect": Command(
        "passband.cli.inspect_file",
        "which minimum your model has reached, and whether your optimizer can stay there",
        "passband inspect examples/inspect_me.py",
    ),
    "doctor": Command(
        "passband.cli.doctor",
        "what would go wrong in training, found before it does",
        "passband doctor examples/inspect_me.py",
    ),
    "explore": Command(
        "passband.cli.explore",
        "sliders on the real filters, in a browser",
        "passband explore runs/demo",
    ),
    "watch": Command(
        "passband.cli.watch",
        "how close a monitored training is to the edge, live or ended",
        "passband watch --follow",
    ),
    "transient": Command(
        "passband.cli.transient",
        "how far a training step of several players grows before it settles, and what helps",
        "passband transient examples/transient_me.py",
    ),
    "run": Command(
        "passband.cli.run",
        "do one of the studies, all of it or in small",
        "passband run --list",
    ),
    "runs": Command(
        "passband.cli.runs",
        "what is in a folder of runs, two of them compared, all in one table",
        'passband runs runs/demo --where "momentum=0.9"',
    ),
    "report": Command(
        "passband.cli.report_command",
        "draw the report of finished runs again, from its records",
        "passband report runs/demo",
    ),
    "bench": Command(
        "passband.cli.bench",
        "compare the package with its peers; from a checkout of the source",
        "passband bench spectra",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 well, 1 failed, 2 asked wrongly."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(_help())
        return 0
    if arguments[0] in {"-V", "--version"}:
        from passband import __version__

        print(f"passband {__version__}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"passband: no command {name!r}{closest(name, COMMANDS)}", file=sys.stderr)
        print(f"Commands: {', '.join(COMMANDS)}. `passband --help` explains.", file=sys.stderr)
        return 2
    from passband.errors import PassbandError

    try:
        return int(importlib.import_module(COMMANDS[name].module).main(rest) or 0)
    except Exception as error:
        notes = getattr(error, "__notes__", ())  # what the user's model or loss failed on
        if not (notes or isinstance(error, ValueError | TypeError | PassbandError | OSError)):
            raise
        print(f"passband {name}: " + "\n".join([_words(error), *notes]), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"passband {name}: interrupted", file=sys.stderr)
        return 130
    except SystemExit as stop:  # how argument parsers end: with a status, or after --help
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)


def _words(error: Exception) -> str:
    if not isinstance(error, OSError) or error.filename is None:
        return str(error)
    way = isinstance(error, FileExistsError | NotADirectoryError)
    remedy = "; a file is where a folder is wanted. Give another place." if way else "."
    return f"{str(error.filename)!r}: {(error.strerror or 'failed').lower()}{remedy}"


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = ["passband: which minima your optimizer lets through, and where your model stands.", ""]
    for name, command in COMMANDS.items():
        lines += [f"  {name:<{width}}  {command.summary}", f"  {'':<{width}}  $ {command.example}"]
    lines += ["", "`passband COMMAND --help` shows a command's options."]
    return "\n".join(lines)
