"""``python -m passband``: the command line."""

import sys

from passband.cli import main

if __name__ == "__main__":
    sys.exit(main())
