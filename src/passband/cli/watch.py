"""``passband watch``: a monitored training, live or ended."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from passband.monitor import Event, Probe, newest, read_records
from passband.monitor.records import FOLDER

_ROWS = 12
_SILENT = 60.0  # seconds
_BARS = " ▁▂▃▄▅▆▇█"


def main(arguments: Sequence[str]) -> int:
    """Run the command with the arguments that were typed."""
    import tyro

    def command(
        path: Annotated[Path, tyro.conf.Positional] = FOLDER,
        *,
        follow: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
        seconds: float = 2.0,
    ) -> int:
        """Show how close a training is to the edge, from what its monitor wrote.

        Examples:
          passband watch                        # the newest in runs/monitor
          passband watch --follow               # until Ctrl-C
          passband watch runs/mine.jsonl        # what `Monitor(log="runs/mine.jsonl")` wrote

        Args:
            path: What a `Monitor` writes, or a folder, of which the newest is shown.
            follow: Draw again whenever there is more.
            seconds: How often to look.
        """
        if not seconds > 0:
            raise ValueError(f"`--seconds` must be positive; got {seconds:g}.")
        file = newest(path) if path.is_dir() else path
        if file is None:
            raise ValueError(
                f"the folder {str(path)!r} holds no record of a `Monitor`, NAME.jsonl. Run "
                "training with `pb.Monitor` here, or give the folder or the file it writes to."
            )
        if not file.is_file():
            raise ValueError(
                f"there is no record {str(file)!r}; a `Monitor` writes it. Run training "
                "with `pb.Monitor` here, or give the file."
            )
        if "\n" in file.read_text(encoding="utf-8", errors="replace") and not any(
            read_records(file)
        ):
            raise ValueError(
                f"{str(file)!r} holds no probes. Give a file that a `Monitor` wrote: lines of "
                'JSON such as {"step": 100, "sharpness": 12.3}.'
            )
        console = Console(highlight=False)
        if not follow:
            console.print(picture(*read_records(file)))
            return 0
        if not console.is_terminal:  # a pipe or a file: one picture after the other
            return _print_on(console, file, seconds)
        with Live(picture(*read_records(file)), console=console) as live:
            try:
                while True:
                    time.sleep(seconds)
                    live.update(Group(picture(*read_records(file)), _silence(file)))
            except KeyboardInterrupt:
                return 0

    return tyro.cli(command, args=list(arguments), prog="passband watch")


def _silence(file: Path) -> Text:
    """Return a word about a record that has not grown for a while."""
    age = time.time() - file.stat().st_mtime
    if age < _SILENT:
        return Text("")
    return Text(f"no news for {age:.0f} s: probes are far apart, or it has ended. Ctrl-C leaves.")


def _print_on(console: Console, file: Path, seconds: float) -> int:
    """Print a new picture whenever there is more, until Ctrl-C."""
    seen = -1
    try:
        while True:
            probes, events = read_records(file)
            if len(probes) + len(events) != seen:
                seen = len(probes) + len(events)
                console.print(picture(probes, events))
            time.sleep(seconds)
    except (KeyboardInterrupt, BrokenPipeError):
        return 0


def picture(probes: Sequence[Probe], events: Sequence[Event]) -> Group:
    """Return the ratio over time, the last probes and the last events."""
    if not probes:
        return Group(Text("no probes yet"))
    table = Table(box=None, pad_edge=False)
    for name in ("step", "loss", "‖∇f‖", "sharpness", "±", "edge", "ratio"):
        table.add_column(name, justify="right")
    for p in probes[-_ROWS:]:
        cells = (p.loss, p.gradient_norm, p.sharpness, p.error, p.edge)
        table.add_row(
            f"{p.step:,}", *(_shown(value, ".4g") for value in cells), _shown(p.ratio, ".3f")
        )
    said = [Text(f"step {e.step:,}  {e.kind}: {e.message}") for e in events[-_ROWS:]]
    notes = {p.note: p.step for p in probes[-_ROWS:] if p.note}  # each once, where it was last
    said += [Text(f"step {step:,}  note: {note}") for note, step in notes.items()]
    return Group(Text(f"sharpness / edge  {sparkline([p.ratio for p in probes])}"), table, *said)


def _shown(value: float, form: str) -> str:
    """Return a number; a dash where there is none."""
    return "–" if math.isnan(value) else format(value, form)


def sparkline(values: Sequence[float], *, width: int = 60, top: float = 1.25) -> str:
    """Return values as bars, from 0 to ``top``; the last of each stretch stands for it.

    Example:
        >>> sparkline([0.0, 0.625, 1.25])
        ' ▄█'
    """
    stretch = max(1, math.ceil(len(values) / width))
    shown = values[::-1][::stretch][::-1]
    steps = len(_BARS) - 1
    levels = (min(max(v / top, 0.0), 1.0) * steps if math.isfinite(v) else 0 for v in shown)
    return "".join(_BARS[round(level)] for level in levels)
