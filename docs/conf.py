"""The documentation site: ``make docs`` builds it; warnings are errors."""

import os
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

from passband import __version__

os.environ.setdefault("OMP_NUM_THREADS", "1")

project, author, copyright = "passband", "the passband developers", "the passband developers"
release = version = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
html_theme = "furo"
html_title = "passband"
exclude_patterns = ["_build", "gallery/README.txt", "gallery_made/*.md5"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": False}
napoleon_use_ivar = True
nitpicky = False
suppress_warnings = ["config.cache"]


def loose_figures(_: Any, variables: dict[str, Any], gallery: dict[str, Any]) -> str:
    """Save a figure that pyplot does not know, such as that of `passband.filters.plot`."""
    figure = variables["example_globals"].get("figure")
    if not isinstance(figure, Figure) or hasattr(figure, "number"):
        return ""
    del variables["example_globals"]["figure"]
    path = next(variables["image_path_iterator"])
    figure.savefig(path)
    return figure_rst([path], gallery["src_dir"])


sphinx_gallery_conf = {
    "image_scrapers": ("matplotlib", loose_figures),
    "examples_dirs": "gallery",
    "gallery_dirs": "gallery_made",
    "filename_pattern": r"\.py$",
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "within_subsection_order": "FileNameSortKey",
}
html_static_path = ["static"]
html_css_files = ["site.css"]
templates_path = [str(Path(__file__).parent / "templates")]
