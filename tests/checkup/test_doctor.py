"""The doctor finds what was planted, says what to do, and touches nothing."""

import copy
import math
from inspect import unwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from examined import CROSS_ENTROPY, X, Y, found, network, sgd
from scaled_step import Scaled
from torch import Tensor, nn

import passband as pb
from passband import optim
from passband.cli import main


def test_a_healthy_training_has_no_findings() -> None:
    model = network()

    assert found(model, sgd(model)) == {}


def test_nothing_is_touched() -> None:
    model = network(nn.BatchNorm1d(8), nn.Dropout(0.5))
    optimizer = optim.USAM(model.parameters(), 0.1, 0.1, momentum=0.9)
    optimizer.attach(model, same_randomness=True)
    before = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    before_torch = torch.get_rng_state()

    found(model, optimizer)

    assert optimizer.state_dict() == before[1]
    for name, now in model.state_dict().items():
        assert torch.equal(now, before[0][name])
    assert torch.equal(torch.get_rng_state(), before_torch)
    assert all(p.grad is None for p in model.parameters())
    assert optimizer.passes.model is model


def test_random_numbers_of_loader_and_numpy_are_left_where_they_are() -> None:
    model, own = network(), torch.Generator().manual_seed(3)
    images = torch.utils.data.TensorDataset(X, Y)
    loader = torch.utils.data.DataLoader(images, batch_size=4, shuffle=True, generator=own)

    def loss(out: Tensor, y: Tensor) -> Tensor:
        np.random.rand()  # noqa: NPY002 - as augmentation does
        return CROSS_ENTROPY(out, y)

    def states() -> list[str]:
        return [str(own.get_state().tolist()), str(np.random.get_state())]  # noqa: NPY002

    before = states()

    found(model, sgd(model), data=loader, loss=loss, spectrum=False)

    assert states() == before


@pytest.mark.slow
def test_the_epoch_of_a_training_loader_is_left_alone() -> None:
    model = network()
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(X, Y),
        batch_size=2,
        num_workers=1,
        persistent_workers=True,
        multiprocessing_context="fork",
    )
    seen: list[Tensor] = []
    for x, _ in loader:
        seen.append(x)
        if len(seen) == 2:
            found(model, sgd(model), data=loader, spectrum=False)

    assert torch.equal(torch.cat(seen), X)


def test_a_learning_rate_beyond_the_edge_gets_one_that_fits() -> None:
    model = network()
    sharpness = pb.inspect(model, CROSS_ENTROPY, (X, Y), sgd(model)).sharpness

    text = found(model, sgd(model, lr=4 / sharpness))["learning rate"]

    assert text.startswith("problem")
    assert "2 times the edge" in text
    assert f"lr {0.9 * 2 / sharpness:.3g}" in text
    assert "learning rate" not in found(model, sgd(model, lr=1.9 / sharpness))


def test_a_leak_and_a_missing_filter_are_told() -> None:
    model = network()

    assert "-10" in found(model, optim.USAM(model.parameters(), 0.1, 0.1))["saddle leak"]
    rprop = torch.optim.Rprop(model.parameters(), lr=1e-4)
    assert "not linear" in found(model, rprop)["filter"]


def test_passes_that_differ() -> None:
    model = network(nn.BatchNorm1d(8), nn.Dropout(0.5))
    optimizer = optim.HessianUSAM(model.parameters(), 1e-3, 1e-3)

    strange = found(model, optimizer, spectrum=False)
    optimizer.attach(model, same_randomness=True)
    attached = found(model, optimizer, spectrum=False)
    adam = optim.SharpnessAware(torch.optim.AdamW(model.parameters()), rho=0.1)
    adam.attach(model)
    divided = found(model, adam, spectrum=False)
    model.eval()

    assert strange["batch norm"].startswith("warning")
    assert "same_randomness=True" in strange["dropout"]
    assert attached["batch norm"].startswith("note")
    assert attached["dropout"].startswith("note")
    assert "Judge in this mode" in divided["batch norm"]
    assert found(model, optimizer, spectrum=False) == {}


def test_parameters_that_are_left_out_foreign_tied_or_unused() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3))
    model[1].weight = model[0].weight
    unused = nn.Linear(2, 2)
    model.register_module("unused", unused)

    def loss(model: Any, batch: Any) -> Tensor:
        x, y = batch
        return CROSS_ENTROPY(model[2](model[1](model[0](x))), y)

    held = [*model[0].parameters(), *unused.parameters(), torch.zeros(1, requires_grad=True)]
    text = found(model, torch.optim.SGD(held, lr=0.1), loss=loss)

    assert "0.weight` = `1.weight" in text["tied weights"].replace(" = ", "` = `")
    assert "unused.weight" in text["gradients"]
    assert found(model, torch.optim.SGD([held[-1]], lr=1.0), spectrum=False)["parameters"][:7] == (
        "problem"
    )


def test_half_precision_is_measured() -> None:
    model = network().bfloat16()

    text = found(model, sgd(model, lr=1e-5), data=(X.bfloat16(), Y), spectrum=False)

    assert "below half a unit" in text["half precision"] or "rounded away" in text["half precision"]


@pytest.mark.parametrize(
    ("loss", "about", "words"),
    [
        (lambda out, y: CROSS_ENTROPY(out, y) * math.nan, "loss", "nan"),
        (lambda out, _: (out * 0).sum().sqrt(), "gradients", "not finite"),
        (lambda out, _: out.detach().sum(), "loss", "it fails on the first batch"),
        (lambda out, _: out, "loss", "it fails on the first batch"),
    ],
    ids=["nan", "root", "detached", "no scalar"],
)
def test_losses_that_do_not_work(loss: Any, about: str, words: str) -> None:
    model = network()

    assert words in found(model, sgd(model), loss=loss, spectrum=False)[about]


def test_lost_weights_are_named_and_no_step_is_blamed() -> None:
    model = network()
    with torch.no_grad():
        next(model.parameters())[0] = math.nan

    text = found(model, sgd(model), spectrum=False)

    assert "is nan: 1 parameters are not finite, first `0.weight`. Go back" in " ".join(
        text["loss"].split()
    )
    assert "step" not in text


def test_a_leap_is_seen_before_it_is_taken() -> None:
    model = network()

    assert "takes the loss" in found(model, sgd(model, lr=1e4), spectrum=False)["step"]


def test_sparse_gradients_and_compiled_models() -> None:
    model = nn.Sequential(nn.Embedding(5, 3, sparse=True), nn.Flatten(), nn.Linear(6, 3))
    data = (torch.randint(0, 5, (8, 2)), Y)
    compiled: Any = torch.compile(network(), backend="eager")
    hessian = optim.HessianUSAM(compiled.parameters(), 0.1, 0.1)

    refuses = found(model, optim.SecantSGD(model.parameters(), 0.1, 0.1), data=data, spectrum=False)
    takes = found(model, optim.USAM(model.parameters(), 0.1, 0.1), data=data, spectrum=False)

    assert refuses["sparse gradients"].startswith("problem")
    assert "sparse gradients" not in takes
    assert "second derivative" in found(compiled, hessian, spectrum=False)["compiled model"]


@pytest.mark.parametrize("make", [torch.optim.LBFGS, Scaled])
def test_attributes_that_optimizers_do_not_pickle_are_copied(make: Any) -> None:
    model = network()
    optimizer, stepped = make(model.parameters(), lr=0.1), 0

    def hook(*_: Any) -> None:
        nonlocal stepped
        stepped += 1

    optimizer.register_step_post_hook(hook)

    findings = found(model, optimizer)

    assert "step" not in findings
    assert make is Scaled or set(findings) == {"filter"}
    assert stepped == 0


def test_a_loader_without_batches_and_wrong_arguments() -> None:
    model = network()

    assert "no batch" in found(model, sgd(model), data=[])["data"]
    with pytest.raises(TypeError, match="model"):
        unwrap(pb.doctor)(sgd(model), model, (X, Y))
    wrong: Any = CROSS_ENTROPY
    with pytest.raises(TypeError, match=r"order is doctor\(model, optimizer, data, loss\)"):
        unwrap(pb.doctor)(model, wrong, (X, Y), sgd(model))
    assert str(pb.doctor(model, sgd(model), (X, Y), CROSS_ENTROPY, spectrum=False))
    for nothing in (3, X):
        with pytest.raises(TypeError, match="`data` must be a pair of tensors"):
            pb.doctor(model, sgd(model), nothing, CROSS_ENTROPY)


def test_a_model_may_compute_its_own_loss() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:  # pyright: ignore[reportImplicitOverride]
            return {"loss": CROSS_ENTROPY(self.net(x), labels)}

    model = Own()

    diagnosis = pb.doctor(model, sgd(model), [{"x": X, "labels": Y}])

    assert diagnosis.findings == ()
    assert "sharpness" in diagnosis.checked


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "train.py"
    file.write_text(
        "import torch\n"
        "model = torch.nn.Linear(2, 1)\n"
        "data = (100 * torch.eye(2), torch.zeros(2, 1))\n"
        "loss = torch.nn.functional.mse_loss\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=1.0)\n"
    )

    assert main(["doctor", str(file)]) == 1
    assert "problem: learning rate" in capsys.readouterr().out
    assert main(["doctor", str(file), "--no-spectrum"]) == 0


def test_pairs_without_a_loss_say_what_is_missing() -> None:
    model = network()
    with pytest.raises(TypeError, match="needs `loss=` where batches are pairs"):
        pb.doctor(model, sgd(model), (X, Y))


def test_a_sharpness_that_has_no_edge_to_be_held_against_is_told() -> None:
    model = network()

    for kind in (torch.optim.Adadelta, torch.optim.Adam):
        text = found(model, kind(model.parameters(), lr=1e-3))["sharpness"]
        assert text.startswith("note")
        assert "not held against the edge" in text


def test_a_model_that_does_not_fit_its_data_is_one_finding() -> None:
    model = nn.Linear(7, 3)

    diagnosis = pb.doctor(model, sgd(model), (X, Y), CROSS_ENTROPY)

    assert [finding.about for finding in diagnosis.findings] == ["loss"]
    assert "shapes cannot be multiplied" in diagnosis.findings[0].what
