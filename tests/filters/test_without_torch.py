"""Filters need NumPy and SciPy only: they run in a browser too."""

import subprocess
import sys

PROGRAM = """
import sys
sys.modules["torch"] = None  # an import of torch raises from here on
from passband import filters
print(filters.SGD(lr=0.1).edge, filters.USAM(lr=0.1, rho=0.1).passband())
"""


def test_filters_run_where_torch_cannot_be_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == "20.0 [-20, -10] ∪ [0, 10]\n"
