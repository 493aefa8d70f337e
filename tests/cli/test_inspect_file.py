"""`passband inspect FILE.py` judges what a file defines."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from passband.cli import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "inspect_me.py"

SUBJECT = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Linear(2, 1, bias=False)
data = (torch.eye(2), torch.zeros(2, 1))
loss = nn.functional.mse_loss
optimizer = torch.optim.SGD(model.parameters(), lr=4.0)
"""


@pytest.fixture
def subject(tmp_path: Path) -> Path:
    file = tmp_path / "subject.py"
    file.write_text(SUBJECT)
    return file


def test_the_shipped_example_is_let_through(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["inspect", str(EXAMPLE)])

    shown = capsys.readouterr().out
    assert status == 0
    assert "edge 38" in shown
    assert "SGD(lr=0.1, momentum=0.9" in shown


def test_judges_what_the_file_defines(subject: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(subject), "--k", "1"]) == 0

    shown = capsys.readouterr().out
    assert "sharpness 1 ±" in shown
    assert "edge 0.5" in shown
    assert "above the edge: 2 of 2 measured directions grow" in shown


@pytest.mark.parametrize("nested", [False, True])
def test_loads_a_checkpoint_first(
    subject: Path, nested: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = {"weight": torch.tensor([[3.0, 4.0]])}
    checkpoint = subject.with_name("last.pt")
    torch.save({"model": weights} if nested else weights, checkpoint)

    assert main(["inspect", str(subject), "--checkpoint", str(checkpoint)]) == 0
    assert "loss 12.5" in capsys.readouterr().out  # (9 + 16) / 2


def test_finds_modules_beside_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "passband_test_neighbour.py").write_text("LR = 0.25\n")
    file = tmp_path / "main.py"
    file.write_text("from passband_test_neighbour import LR\n" + SUBJECT.replace("4.0", "LR"))

    assert main(["inspect", str(file)]) == 0
    assert "edge 8" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["inspect", "doctor"])
def test_modules_beside_the_file_are_found_until_the_end_and_its_path_is_left(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"passband_test_lazy_{command}"
    (tmp_path / f"{name}.py").write_text("FACTOR = 1.0\n")
    file = tmp_path / "main.py"
    file.write_text(
        SUBJECT.replace("4.0", "0.1")
        + "import sys\n"
        + "sys.path.insert(0, 'of the user')\n"
        + "def loss(out, y):\n"
        + f"    from {name} import FACTOR\n"
        + "    return FACTOR * nn.functional.mse_loss(out, y)\n"
    )
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", list(before))

    assert main([command, str(file)]) == 0
    assert sys.path == ["of the user", *before]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = 1\n", "it lacks loss, data, optimizer"),
        (SUBJECT + "model = 3\n", "must define `model` as a torch module; it is"),
        (SUBJECT + "loss = 3\n", "must define `loss` as a function"),
        (SUBJECT + "optimizer = torch.optim.SGD\n", "`optimizer` as an instance of a torch"),
        (SUBJECT.replace("lr=4.0", "lr=-4.0"), "Invalid learning rate"),
        (SUBJECT.replace("torch.eye(2)", "torch.eye(2) * float('nan')"), "batch 0 is nan"),
        (SUBJECT.replace("mse_loss", "mse_loss\nloss = lambda o, t: ((o - t) ** 2).sum()"), "mean"),
    ],
    ids=[
        "names missing",
        "no module",
        "no function",
        "no instance",
        "the file raises",
        "nan data",
        "a sum",
    ],
)
def test_a_bad_file_is_told_so(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.py"
    file.write_text(text)

    assert main(["inspect", str(file)]) == 2
    assert message in capsys.readouterr().err


def test_bad_paths_and_checkpoints(subject: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong, broken = subject.with_name("wrong.pt"), subject.with_name("broken.pt")
    torch.save(nn.Linear(3, 3).state_dict(), wrong)
    broken.write_bytes(b"not weights")
    whole = subject.with_name("whole.pt")
    torch.save(nn.Linear(3, 3), whole)
    cases = [
        (["no-such.py"], "there is no file"),
        ([str(subject), "--checkpoint", "no-such.pt"], "there is no checkpoint"),
        ([str(subject), "--checkpoint", str(wrong)], "does not fit"),
        (
            [str(subject), "--checkpoint", str(broken)],
            "weights; torch cannot read it",
        ),
        ([str(subject), "--checkpoint", str(whole)], "linear.Linear, which is not run"),
    ]

    for arguments, message in cases:
        assert main(["inspect", *arguments]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "said", "unsaid"),
    [
        ("mine.py", "import no_such_module\n", "No module named 'no_such_module'", "runpy"),
        ("mine.py", "x = (1,\n", "SyntaxError", "runpy"),
        ("mine.py", "def f():\n    raise KeyError('mine')\nf()\n", "line 2, in f", "user_file"),
        ("weights.pt", "", "--checkpoint", "Traceback"),
        ("mine.py", "raise SystemExit(3)\n", "ended itself, by `sys.exit(3)`", "Traceback"),
    ],
)
def test_a_file_that_cannot_be_run_shows_its_own_lines(
    *,
    name: str,
    text: str,
    said: str,
    unsaid: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / name
    file.write_text(text)

    assert main(["inspect", str(file)]) == 2

    error = capsys.readouterr().err
    assert said in error
    assert name in error
    assert unsaid not in error


def test_a_model_that_does_not_fit_its_data_is_told_with_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "subject.py"
    file.write_text(
        "import torch\n"
        "model = torch.nn.Linear(4, 1)\n"
        "data = (torch.ones(8, 3), torch.ones(8, 1))\n"
        "loss = torch.nn.functional.mse_loss\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
    )

    assert main(["inspect", str(file)]) == 2
    shown = capsys.readouterr().err
    assert "shapes cannot be multiplied" in shown
    assert "the model on batch 0: torch.float32 of shape (8, 3)" in shown
    assert "Traceback" not in shown
