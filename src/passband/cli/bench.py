"""``passband bench``: the benchmarks of a checkout, by name."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from passband.cli.suggest import closest

_HELP = """usage: passband bench NAME [OPTIONS]

Compare the package with its peers: products, CPU seconds, memory, achieved errors. Benchmarks
live in a checkout of the source and need `pip install -e '.[bench]'`. Examples:

  passband bench spectra                                # top three eigenvalues, an MLP on MNIST
  passband bench spectra --workloads W2 W4 --seeds 2    # larger networks
  passband bench spectra --help                         # the benchmark's own options
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command with the arguments that were typed."""
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(_HELP + f"\nKnown: {', '.join(benchmarks()) or 'none; this is no checkout'}.")
        return 0
    name, *options = arguments
    known = benchmarks()
    if not known:
        raise ValueError(
            f"there are no benchmarks at {_folder()}: they are not part of an installed package. "
            "Run this from a checkout of the source, installed by `pip install -e '.[bench]'`."
        )
    if name not in known:
        raise ValueError(f"no benchmark {name!r}{closest(name, known)} Known: {', '.join(known)}.")
    return subprocess.run([sys.executable, str(known[name]), *options], check=False).returncode


def benchmarks() -> dict[str, Path]:
    """Return the benchmarks of this checkout; none where the package was installed without."""
    files = sorted(_folder().glob("*.py"))
    return {
        file.stem: file for file in files if '__name__ == "__main__"' in file.read_text("utf-8")
    }


def _folder() -> Path:
    return Path(__file__).parents[3] / "benchmarks"
