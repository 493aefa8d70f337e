"""What commands need beyond the package, and where the page goes."""

from passband.errors import require

PAGE = "report.html"
"""The name of a report in its folder."""

TO_READ = ("polars", "safetensors")
"""What reads and writes records."""

TO_DRAW = (*TO_READ, "plotly", "jinja2")
"""What draws a report of them."""

TO_MEASURE = ("mlxtend", "joblib", *TO_DRAW)
"""What does studies and reports on them."""


def need(modules: tuple[str, ...]) -> None:
    """Raise `MissingExtraError`, which names the extra, for a module that is not installed."""
    for module in modules:
        require(module, extra="studies" if modules == TO_READ else "demo")
