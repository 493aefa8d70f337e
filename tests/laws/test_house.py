"""What the house asks of its own files."""

from pathlib import Path

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
    fragments = [f for f in (HOUSE / "changelog.d").iterdir() if f.suffix == ".md"]

    assert [f.name for f in fragments if f.name.split(".")[-2] not in kinds] == []
    assert [f.name for f in fragments if not f.read_text().strip()] == []
