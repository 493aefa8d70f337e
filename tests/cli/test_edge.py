"""`passband edge` says what an optimizer lets through."""

import subprocess
import sys
from pathlib import Path

import pytest

from passband.cli import main
from passband.cli.edge import catalogue


def test_prints_intervals_edge_cost_and_plot(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["edge", "usam", "--lr", "0.04", "--rho", "0.03", "--momentum", "0.8"])

    shown = capsys.readouterr().out
    assert status == 0
    assert "[-73.9185, -33.3333] ∪ [0, 40.5852]" in shown
    assert "40.5852135" in shown
    assert "saddle leak  [-73.9185, -33.3333]" in shown
    assert "2 gradient(s)" in shown
    assert "████" in shown


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_every_optimizer_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["edge", name, "--help"]) == 0
    assert "--lr" in capsys.readouterr().out


def test_the_catalogue_is_the_filters_that_options_make() -> None:
    known = {"sgd", "usam", "hessian-usam", "sam", "adam", "adamw", "rmsprop", "local-sgd"}

    assert known <= set(catalogue())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["edge", "usm", "--lr", "1"], "did you mean 'usam'"),
        (["edge", "usam", "--lr", "-1", "--rho", "0.1"], "`lr` must be positive"),
        (["edge", "usam", "--rho", "0.1"], "--lr"),
        (["edge", "--compare", "sgd", "usam", "--lr", "1"], "usam needs --rho"),
        (["edge", "--compare", "sgd", "--lr", "1", "--rh", "1"], "none of sgd takes --rh"),
        (["edge", "--compare"], "needs optimizers"),
        (["edge", "sgd", "usam", "--lr", "1"], "--compare sgd usam"),
        (["edge", "torch.optim:Nothing"], "could not be imported"),
        (["edge", "torch.nn:Linear"], "class of torch optimizers"),
        (["edge", "torch.optim:SGD", "--lrr", "1"], "could not be made"),
        (["edg"], "did you mean 'edge'"),
    ],
)
def test_bad_input_is_one_clear_sentence(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_compares_several_with_the_options_each_knows(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--lr", "0.04", "--rho", "0.03", "--momentum", "0.8"]

    assert main(["edge", "--compare", "sgd", "usam", "hessian-usam", *options]) == 0

    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown] == ["optimizer", "sgd", "usam", "hessian-usam"]
    assert [line.split()[1] for line in shown[1:]] == ["90", "40.5852", "13.6529"]


def test_any_class_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "passband_test_mine.py").write_text(
        "import torch\nclass Mine(torch.optim.SGD):\n    pass\n"
    )
    monkeypatch.chdir(tmp_path)

    assert main(["edge", "passband_test_mine:Mine", "--lr", "0.04", "--momentum", "0.8"]) == 0
    assert "[0, 90]" in capsys.readouterr().out


def test_help_and_version_teach_without_importing_torch() -> None:
    code = (
        "import sys\nfrom passband.cli import main\n"
        "main([]); main(['--help']); main(['--version']); main(['edge'])\n"
        "main(['edge', 'sgd', '--lr', '0.1'])\n"
        "assert 'torch' not in sys.modules"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "$ passband edge usam" in done.stdout


def test_the_package_is_a_command_too() -> None:
    command = [sys.executable, "-m", "passband", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0
    assert done.stdout.startswith("passband ")
