"""``passband runs``: what is in a folder of runs; two of them compared; all handed on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from passband.cli.needed import TO_READ, need
from passband.cli.suggest import closest
from passband.report.terminal import duration
from passband.studies import Store
from passband.studies.atomic import write
from passband.studies.catalogue import Entry, difference, entries, export, where, written
from passband.studies.plan import RECORDS

KEY_METRICS = ("ratio", "sharpness", "plateau", "edge", "test_accuracy", "train_loss")
WIDE = 100
STYLES = {"finished": "green", "running": "cyan", "interrupted": "yellow", "failed": "red"}


def main(arguments: Sequence[str]) -> int:
    """Run the command with the arguments that were typed."""
    import tyro

    def command(
        folder: Annotated[Path, tyro.conf.Positional] = Path("runs"),
        *,
        study: str = "",
        where: tuple[str, ...] = (),
        metrics: tuple[str, ...] = (),
        compare: tuple[str, ...] = (),
        csv: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
        parquet: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
        json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
        prune: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    ) -> int:
        """List the runs in a folder, finished or not, with what they measured.

        Examples:
          passband runs                                         # everything below runs/
          passband runs runs/demo --where "momentum=0.9" "sharpness<2"
          passband runs runs/demo --compare usam-momentum-0-seed-0 usam-momentum-0-seed-1
          passband runs --csv runs.csv                          # all settings and metrics
          passband runs runs/demo --prune                       # remove what was damaged

        Args:
            folder: What `passband run --out` wrote, or a folder of such folders.
            study: Only runs of this study.
            where: Conditions on settings, metrics or status: "momentum=0.9" "ratio>1".
            metrics: Which metrics to show.
            compare: Two runs, by a part of their names: what differs between them.
            csv: Write the runs into this file.
            parquet: Write the runs into this file.
            json: Write the runs into this file.
            prune: Remove damaged runs and what killed processes left behind.
        """
        files = [path for path in (csv, parquet, json) if path is not None]
        for path, ending in ((csv, ".csv"), (parquet, ".parquet"), (json, ".json")):
            if path is not None and path.suffix != ending:
                raise ValueError(f"the file of `--{ending[1:]}` must end in {ending}; got {path}.")
        return runs(
            folder,
            study=study,
            conditions=where,
            metrics=metrics,
            compare=compare,
            files=files,
            prune=prune,
        )

    return tyro.cli(command, args=list(arguments), prog="passband runs")


def runs(
    folder: Path,
    *,
    study: str = "",
    conditions: Sequence[str] = (),
    metrics: Sequence[str] = (),
    compare: Sequence[str] = (),
    files: Sequence[Path] = (),
    prune: bool = False,
) -> int:
    """List runs, compare two of them, or write them into files.

    Returns:
        The exit status: 0, 1 if some runs failed or cannot be read.

    Raises:
        MissingExtraError: ``polars`` or ``safetensors`` is not installed.
        OSError: A file cannot be written.
        ValueError: There are no runs, or what is asked for is not among them.
    """
    need(TO_READ)
    console = Console(highlight=False)
    problems: list[str] = []
    stores = _stores(folder, problems)
    if prune:
        removed = [path for store in stores for path in store.prune()]
        console.print("\n".join(f"removed {path}" for path in removed) or "Nothing to remove.")
    found = _of_study([entry for store in stores for entry in entries(store)], study)
    found = where(found, conditions)
    if compare:
        _compare(found, compare, console)
    else:
        for path in files:
            write(path, export(found, path))
        _list(found, metrics, console)
        for path in files:
            console.print(f"{len(found)} runs written to {path}", soft_wrap=True)
    for problem in problems:
        console.print(Text(problem, style="red"), soft_wrap=True)
    return 1 if problems or any(entry.status == "failed" for entry in found) else 0


def _stores(folder: Path, problems: list[str]) -> list[Store]:
    """Return the stores in a folder: itself, its records, or those of the folders in it."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder. Give what `passband run --out` wrote.")
    places = [folder, folder / RECORDS, *sorted(folder.glob(f"*/{RECORDS}"))]
    stores = [Store(place, on_unreadable=problems.append) for place in places]
    with_runs = [store for store in stores if store.finished() or store.unfinished_runs()]
    if not with_runs:
        raise ValueError(f"{folder} holds no runs. Give what `passband run --out` wrote.")
    return with_runs


def _of_study(found: list[Entry], study: str) -> list[Entry]:
    known = sorted({str(entry.configuration["study"]) for entry in found})
    if study and study not in known:
        raise ValueError(f"no run is of {study!r}{closest(study, known)} Known: {known}.")
    return [entry for entry in found if not study or entry.configuration["study"] == study]


def _list(found: Sequence[Entry], metrics: Sequence[str], console: Console) -> None:
    known = dict.fromkeys(name for entry in found for name in entry.measured.metrics)
    for name in metrics:
        if name not in known:
            raise ValueError(f"no run has measured {name!r}{closest(name, known)}")
    room = 2 if console.width < WIDE else 4
    chosen = list(metrics) or [name for name in KEY_METRICS if name in known][:room]
    studies = dict.fromkeys(str(entry.configuration["study"]) for entry in found)
    table = Table(
        *([Column("study", no_wrap=True)] if len(studies) > 1 else []),
        Column("run", min_width=20),
        Column("status", no_wrap=True),
        *(Column(name, justify="right", no_wrap=True) for name in chosen),
        Column("time", justify="right", no_wrap=True),
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for entry in found:
        values = [entry.measured.metrics.get(name) for name in chosen]
        table.add_row(
            *([str(entry.configuration["study"])] if len(studies) > 1 else []),
            Text(str(entry.configuration["label"])),
            Text(entry.status, STYLES[entry.status]),
            *("—" if value is None else f"{value:.4g}" for value in values),
            duration(entry.record.seconds) if entry.record else "—",
        )
    console.print(table)
    for entry in found:
        if entry.error:
            console.print(Text(f"{entry.name}: {entry.error}", style="red"), soft_wrap=True)
    count = {status: sum(e.status == status for e in found) for status in STYLES}
    said = ", ".join(f"{n} {status}" for status, n in count.items() if n) or "none"
    seconds = sum(entry.record.seconds for entry in found if entry.record)
    console.print(f"{len(found)} runs: {said}; {duration(seconds)} of one core.")


def _compare(found: Sequence[Entry], names: Sequence[str], console: Console) -> None:
    if len(names) != 2:
        raise ValueError(f"`--compare` needs two runs; got {len(names)}.")
    first, second = (_one(found, name) for name in names)
    table = Table(
        "differs",
        Column(str(first.configuration["label"]), justify="right"),
        Column(str(second.configuration["label"]), justify="right"),
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for row in difference(first, second):
        table.add_row(*map(Text, row))
    time = [written(e.record.seconds if e.record else None) for e in (first, second)]
    table.add_row("seconds", *time, style="dim")
    console.print(table)


def _one(found: Sequence[Entry], name: str) -> Entry:
    chosen = [entry for entry in found if name in _called(entry)]
    chosen = chosen or [entry for entry in found if name in entry.name]
    if len(chosen) != 1:
        known = [entry.name for entry in chosen or found]
        many = f"{len(chosen)} runs have {name!r} in their names" if chosen else f"no run {name!r}"
        raise ValueError(f"{many}: {', '.join(known[:8])}{', …' if len(known) > 8 else ''}.")
    return chosen[0]


def _called(entry: Entry) -> set[str]:
    """Return the whole names of a run: with and without its study and its hash."""
    short = entry.name.rsplit("-", 1)[0]
    study = str(entry.configuration["study"])
    return {entry.name, str(entry.configuration["label"]), short, short.removeprefix(f"{study}-")}
