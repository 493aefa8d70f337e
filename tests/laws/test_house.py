"""What the house asks of its own files."""

import re
import tomllib
from pathlib import Path

import passband

HOUSE = Path(__file__).parents[2]
LINES = 300


def test_no_file_is_longer_than_what_can_be_read_at_once() -> None:
    folders = ("src", "tests", "benchmarks", "examples", "docs/gallery")
    files = [file for folder in folders for file in (HOUSE / folder).rglob("*.py")]
    lengths = {str(f.relative_to(HOUSE)): f.read_text().count("\n") for f in files}

    assert len(files) > 300
    assert {name: n for name, n in lengths.items() if n > LINES} == {}


def test_fragments_of_the_changelog_are_named_for_what_they_say() -> None:
    kinds = {"added", "changed", "faster", "fixed", "removed"}
    fragments = list((HOUSE / "changelog.d").glob("*.md"))  # none, and no folder, in a release

    assert [f.name for f in fragments if f.name.split(".")[-2] not in kinds] == []
    assert [f.name for f in fragments if not f.read_text().strip()] == []


def test_there_is_one_version() -> None:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]["version"]
    cited = re.search(r"^version: (\S+)", (HOUSE / "CITATION.cff").read_text(), re.MULTILINE)

    assert cited is not None
    assert {passband.__version__, cited[1].strip("\"'")} == {project}
