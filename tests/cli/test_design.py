"""`passband design` finds the option that has the wanted edge."""

import pytest

from passband.cli import main


def test_solves_for_rho_where_lr_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    # 10 (1 + 10 rho) = 2 · 1.5 / 0.1
    options = ["--edge", "10", "--lr", "0.1", "--momentum", "0.5"]

    assert main(["design", "usam", *options]) == 0

    shown = capsys.readouterr().out
    assert "USAM(lr=0.1, rho=0.2, momentum=0.5)\n" in shown
    assert "edge         10 " in shown
    assert "note:" in shown  # the leak that comes with it
    assert "DerivativeAction" in shown


def test_puts_every_way_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["design", "--edge", "10", "--lr", "0.1", "--momentum", "0.5"]) == 0

    shown = capsys.readouterr().out
    for name in ("SGD(lr=0.3", "USAM(", "HessianUSAM(", "DerivativeAction(", "Secant("):
        assert name in shown
    assert "relative to SGD" in shown


def test_a_family_that_cannot_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["design", "usam", "sgd", "--edge", "50", "--lr", "0.1"]) == 0

    shown = capsys.readouterr().out
    assert "not: USAM: an edge of 50 cannot be reached" in shown
    assert "SGD(lr=0.04)" in shown
    assert "not: SGD at lr=0.1" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["usm", "--edge", "1"], "did you mean 'usam'"),
        (["usam", "--lr", "1"], "needs the wanted edge"),
        (["usam", "--edge", "high"], "must be a number"),
        (["usam", "--edge", "-1", "--lr", "1"], "`edge` must be positive"),
        (["--edge", "-3"], "passband design: `edge` must be positive"),
        (["usam", "--edge", "50", "--lr", "0.1"], "cannot be reached"),
        (["usam", "sgd", "--edge", "1", "--rh", "1"], "none of the optimizers takes --rh"),
    ],
)
def test_bad_input_is_one_clear_sentence(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["design", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_help_teaches_by_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["design", "--help"]) == 0
    assert "passband design usam --edge 20" in capsys.readouterr().out
