"""``passband explore``: sliders on the real filters, in a browser."""

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from passband.errors import require


def main(arguments: Sequence[str]) -> int:
    """Run the command with the arguments that were typed."""
    import tyro

    def command(
        run: Annotated[Path | None, tyro.conf.Positional] = None,
        *,
        port: int = 2718,
        headless: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    ) -> int:
        """Choose optimizers, move lr, momentum and rho, and see what they let through.

        Examples:
          passband explore                    # opens a browser
          passband explore runs/demo          # with the eigenvalues that were measured there
          passband explore --headless         # only serves, for a machine without a browser

        Args:
            run: Measured eigenvalues to show: a folder of runs, a monitor's file, or a JSON list.
            port: Where it is served, on this machine alone.
            headless: Do not open a browser.
        """
        if run is not None:
            from passband.explore.choices import measured

            measured(run)  # what is wrong with it is said now
        return subprocess.run(call(run, port=port, headless=headless), check=False).returncode

    require("marimo", extra="explore")
    require("plotly", extra="explore")
    return tyro.cli(command, args=list(arguments), prog="passband explore")


def call(run: Path | None, *, port: int, headless: bool) -> list[str]:
    """Return the command that serves the page.

    Raises:
        ValueError: ``port`` is none.
    """
    if not 0 < port < 65536:
        raise ValueError(f"`--port` must be 1 to 65535; got {port}.")
    spec = find_spec("passband.explore._app")
    assert spec is not None
    assert spec.origin is not None
    words = [sys.executable, "-m", "marimo", "run", spec.origin, "--port", str(port)]
    words += ["--headless"] if headless else []
    words += ["--", "--run", str(run.resolve())] if run is not None else []
    return words
