"""Real trainers of other packages, tiny and offline, with our optimizers inside."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

import passband as pb
from passband import optim

# other packages warn about their own dependencies and about machines without accelerator
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


class Model(nn.Module):
    """What a `Trainer` trains: it returns its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    @override
    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        out = self.net(x)
        return {"loss": ((out - labels) ** 2).mean(), "logits": out}


def data() -> TensorDataset:
    torch.manual_seed(0)
    x = torch.randn(24, 4)
    return TensorDataset(x, x @ torch.randn(4, 2))


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


def make(model: nn.Module, steps: int = 2) -> optim.USAM:
    return optim.USAM(model.parameters(), 0.05, 0.05, steps=steps, momentum=0.9)


def recipe(trainer: str) -> str:
    """Return the code that the documentation has for a trainer."""
    text = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    (code,) = re.findall(rf"```python\n# {trainer}\n(.*?)```", text, flags=re.DOTALL)
    return code


def by_hand(epochs: int = 2, steps: int = 2) -> list[Tensor]:
    """Train without a trainer, batches in order."""
    model = network()
    optimizer = make(model, steps)
    for _ in range(epochs):
        for x, y in DataLoader(data(), batch_size=8):

            def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
                loss = ((model(x) - y) ** 2).mean()
                loss.backward()
                return loss

            optimizer.step(closure)
    return [p.detach() for p in model.parameters()]


def assert_same(model: Any, **options: int) -> None:
    for p, q in zip(model.parameters(), by_hand(**options), strict=True):
        torch.testing.assert_close(p.detach(), q, rtol=1e-6, atol=1e-7)


def test_lightning(tmp_path: Path) -> None:
    lightning: Any = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def training_step(self, batch: Any, _: int) -> Tensor:
            x, y = batch
            return ((self.net(x) - y) ** 2).mean()

        def configure_optimizers(self) -> Any:
            optimizer = make(self.net)
            constant = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
            return {"optimizer": optimizer, "lr_scheduler": constant}

    module: Any = Module()
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )

    trainer.fit(module, DataLoader(data(), batch_size=8))

    assert_same(module.net)
    assert trainer.global_step == 6


def test_accelerate() -> None:
    accelerate: Any = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    net = network()
    model, optimizer, loader = accelerator.prepare(net, make(net), DataLoader(data(), batch_size=8))

    for _ in range(2):
        for x, y in loader:

            def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
                loss = ((model(x) - y) ** 2).mean()
                accelerator.backward(loss)
                return loss

            optimizer.step(closure)

    assert_same(net)


def test_hugging_face(tmp_path: Path) -> None:
    transformers: Any = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")

    class Trainer(transformers.Trainer):
        def training_step(self, model: Any, inputs: Any, *_: Any) -> Tensor:
            """One pass at the weights, then the passes uphill; the trainer steps."""
            model.train()
            loss = self.compute_loss(model, inputs)
            self.accelerator.backward(loss)
            for _ascent in range(2):
                with self.optimizer.optimizer.ascent():
                    self.accelerator.backward(self.compute_loss(model, inputs))
            return loss.detach()

    model = Model()
    train(Trainer, model, make(model), tmp_path)

    assert_same(model.net)


def train(trainer: Any, model: Model, optimizer: Any, folder: Path) -> None:
    """Two epochs, batches in order."""
    transformers: Any = pytest.importorskip("transformers")

    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=2,
        per_device_train_batch_size=8,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        max_grad_norm=0.0,
        train_sampling_strategy="sequential",
    )
    samples: Any = [{"x": x, "labels": y} for x, y in data()]
    constant = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    trainer(
        model=model, args=arguments, train_dataset=samples, optimizers=(optimizer, constant)
    ).train()


def test_the_documented_lightning_module(tmp_path: Path) -> None:
    lightning: Any = pytest.importorskip("lightning")
    names: dict[str, Any] = {"lightning": lightning, "nn": nn, "pb": pb}
    exec(recipe("Lightning"), names)
    module = names["Module"](network())
    options = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", default_root_dir=tmp_path, **options
    )

    trainer.fit(module, DataLoader(data(), batch_size=8))

    assert_same(module.net, steps=1)


def test_the_documented_accelerate_loop() -> None:
    accelerate: Any = pytest.importorskip("accelerate")
    model = network()
    names: dict[str, Any] = {
        "accelerator": accelerate.Accelerator(cpu=True),
        "loader": DataLoader(data(), batch_size=8),
        "model": model,
        "nn": nn,
        "optimizer": make(model, steps=1),
    }
    exec(recipe("Accelerate"), names)

    assert_same(model, steps=1, epochs=1)


def test_the_documented_trainer(tmp_path: Path) -> None:
    transformers: Any = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    names: dict[str, Any] = {"transformers": transformers}
    exec(recipe("Hugging Face"), names)
    model = Model()

    train(names["Trainer"], model, make(model, steps=1), tmp_path)

    assert_same(model.net, steps=1)
