"""Real trainers of other packages, tiny and offline, with our optimizers inside."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from passband import optim

# other packages warn about their own dependencies and about machines without accelerator
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def data() -> TensorDataset:
    torch.manual_seed(0)
    x = torch.randn(24, 4)
    return TensorDataset(x, x @ torch.randn(4, 2))


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


def make(model: nn.Module) -> optim.USAM:
    return optim.USAM(model.parameters(), 0.05, 0.05, steps=2, momentum=0.9)


def by_hand(epochs: int = 2) -> list[Tensor]:
    """Train without a trainer, batches in order."""
    model = network()
    optimizer = make(model)
    for _ in range(epochs):
        for x, y in DataLoader(data(), batch_size=8):

            def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
                loss = ((model(x) - y) ** 2).mean()
                loss.backward()
                return loss

            optimizer.step(closure)
    return [p.detach() for p in model.parameters()]


def assert_same(model: Any) -> None:
    for p, q in zip(model.parameters(), by_hand(), strict=True):
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

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        @override
        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
            out = self.net(x)
            return {"loss": ((out - labels) ** 2).mean(), "logits": out}

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

    samples = [{"x": x, "labels": y} for x, y in data()]
    model = Model()
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
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
    optimizer = make(model)
    constant = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    trainer = Trainer(
        model=model, args=arguments, train_dataset=samples, optimizers=(optimizer, constant)
    )

    trainer.train()

    assert_same(model.net)
