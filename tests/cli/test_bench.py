from pathlib import Path

import pytest

from passband.cli import bench, main


def test_runs_a_benchmark_with_its_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = 'import sys\nif __name__ == "__main__":\n    sys.exit(len(sys.argv))\n'
    (tmp_path / "toy.py").write_text(source)
    (tmp_path / "toy_parts.py").write_text("")
    monkeypatch.setattr(bench, "_folder", lambda: tmp_path)

    assert list(bench.benchmarks()) == ["toy"]
    assert main(["bench", "toy", "--seeds", "2"]) == 3


def test_knows_the_benchmarks_of_this_checkout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--help"]) == 0
    assert "spectra" in capsys.readouterr().out


def test_says_where_benchmarks_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "_folder", lambda: tmp_path)

    assert main(["bench", "spectra"]) == 2
    assert "checkout" in capsys.readouterr().err


def test_an_unknown_benchmark_is_answered_with_the_known(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "spectar"]) == 2
    assert "did you mean" in capsys.readouterr().err
