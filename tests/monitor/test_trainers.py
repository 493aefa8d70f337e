"""The monitor inside Lightning and Hugging Face, and at the edge in a whole training."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from watched import MSE, X, Y, network, quiet

from passband.monitor import (
    hugging_face_callback,
    lightning_callback,
    read_records,
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_in_lightning(tmp_path: Path) -> None:
    lightning: Any = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()
            self.made = torch.optim.SGD(self.net.parameters(), lr=0.1)

        def training_step(self, batch: Any, _: int) -> Tensor:
            return MSE(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return self.made

    module: Any = Module()
    monitor = quiet(module.net, MSE, (X, Y), module.made, every=2, log=tmp_path / "m.jsonl")
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=5)
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=[lightning_callback(monitor)],
        default_root_dir=tmp_path,
    )

    trainer.fit(module, loader)

    assert [p.step for p in read_records(tmp_path / "m.jsonl")[0]] == [0, 2, 4, 6, 8]


def test_an_exception_in_lightning_closes_the_log(tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    monitor = quiet(model, MSE, (X, Y), optimizer, every=1, log=tmp_path / "m.jsonl")
    callback = lightning_callback(monitor)

    callback.on_exception(None, None, RuntimeError("the loss is no number"))
    monitor.look()

    assert read_records(tmp_path / "m.jsonl")[0] == []  # nothing is written to what is closed


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_in_hugging_face(tmp_path: Path) -> None:
    transformers: Any = pytest.importorskip("transformers")

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:  # pyright: ignore[reportImplicitOverride]
            return {"loss": MSE(self.net(x), labels)}

    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batch = [{"x": X, "labels": Y}]

    def loss(model: nn.Module, batch: Any) -> Tensor:
        return model(**batch)["loss"]

    monitor = quiet(model, loss, batch, optimizer, every=2, log=tmp_path / "m.jsonl")
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=1,
        per_device_train_batch_size=5,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        model=model,
        args=arguments,
        train_dataset=[{"x": x, "labels": y} for x, y in zip(X, Y, strict=True)],
        optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)),
        callbacks=[hugging_face_callback(monitor)],
    )

    trainer.train()

    assert [p.step for p in read_records(tmp_path / "m.jsonl")[0]] == [0, 2, 4]
