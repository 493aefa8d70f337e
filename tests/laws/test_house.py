"""What the house asks of its own files."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from beartype.roar import BeartypeException
from jaxtyping import TypeCheckError
from typechecks import INNER, PACKAGES

import passband as pb
from passband.optim._sharded import is_sharded
from passband.verdict.groups import Felt

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
    assert {pb.__version__, cited[1].strip("\"'")} == {project}


def test_every_module_with_shapes_has_them_checked() -> None:
    options = tomllib.loads((HOUSE / "pyproject.toml").read_text())["tool"]["pytest"]
    (listed,) = (o for o in options["ini_options"]["addopts"] if "jaxtyping-packages" in o)
    source = HOUSE / "src"
    shaped = {
        ".".join(file.relative_to(source).with_suffix("").parts)
        for file in source.rglob("*.py")
        if "_shapes import" in file.read_text()
    }

    *names, checker = listed.partition("=")[2].split(",")

    assert checker == "typechecks.check"
    assert set(names) == {name for name in shaped if name.startswith(PACKAGES)} - set(INNER)


def test_the_checkers_of_types_are_on() -> None:
    anything: Any = "no tensor"

    with pytest.raises(BeartypeException):
        is_sharded(anything)
    with pytest.raises(TypeCheckError, match="shift"):
        Felt(pb.MatrixOperator(torch.eye(2)), scale=torch.ones(2), shift=torch.ones(3))
