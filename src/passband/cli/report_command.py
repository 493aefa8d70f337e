"""``passband report``: the report of saved records, again, without training."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from rich.console import Console

from passband.cli.needed import PAGE, TO_DRAW, need
from passband.report import gather, show, write_page


def main(arguments: Sequence[str]) -> int:
    """Run the command with the arguments that were typed."""
    import tyro

    def command(
        folder: Annotated[Path, tyro.conf.Positional] = Path("runs/demo"),
        *,
        out: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None,
    ) -> int:
        """Draw the report of a finished demo again, from its records. Takes seconds.

        Examples:
          passband report runs/demo
          passband report runs/demo --out elsewhere.html

        Args:
            folder: What `passband demo --out` wrote.
            out: The page; report.html in the folder if not given.
        """
        return report(folder, out=out)

    return tyro.cli(command, args=list(arguments), prog="passband report")


def report(folder: Path, *, out: Path | None = None) -> int:
    """Print the tables of a folder of records and write its page.

    Returns:
        The exit status: 0, 1 if runs are missing or records cannot be used.

    Raises:
        MissingExtraError: A package that the page needs is not installed.
        OSError: The page cannot be written.
        ValueError: The folder holds no records.
    """
    need(TO_DRAW)
    if folder.is_file():
        raise ValueError(
            f"{str(folder)!r} is a file; a report is drawn from the folder that `passband demo` or "
            f"`run` wrote. What a `Monitor` wrote is shown by `passband watch {folder}`."
        )
    console = Console(highlight=False)
    gathered = gather(folder)
    show(gathered, console)
    page = folder / PAGE if out is None else out
    write_page(gathered, page, redraw=shlex.join(["passband", "report", str(folder)]))
    console.print(f"\nReport: {page}", soft_wrap=True)
    incomplete = gathered.problems or any(section.missing for section in gathered.sections)
    return 1 if incomplete else 0
