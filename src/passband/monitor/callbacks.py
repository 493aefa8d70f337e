"""A monitor inside the trainers that people use already."""

from typing import Any

from passband.errors import require
from passband.monitor.monitor import Monitor


def lightning_callback(monitor: Monitor) -> Any:
    """Return a callback for Lightning's ``Trainer``; ``"stop"`` events end the training.

    Lightning counts a step per optimizer step, as the monitor does.

    Raises:
        MissingExtraError: Lightning is not installed.
    """
    require("lightning", extra="integrations")
    import importlib

    lightning: Any = importlib.import_module("lightning.pytorch")

    class Watching(lightning.Callback):
        """Looks after optimizer steps."""

        def __init__(self) -> None:
            self.seen = 0

        def on_train_start(self, trainer: Any, module: Any) -> None:
            del module
            self.seen = trainer.global_step
            monitor.__enter__()

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            while self.seen < trainer.global_step:  # accumulation steps less than once a batch
                self.seen += 1
                monitor.step()
            trainer.should_stop = trainer.should_stop or monitor.should_stop

        def on_train_end(self, trainer: Any, module: Any) -> None:
            del trainer, module
            monitor.close()

        def on_exception(self, trainer: Any, module: Any, exception: BaseException) -> None:
            del trainer, module, exception
            monitor.close()

    return Watching()


def hugging_face_callback(monitor: Monitor) -> Any:
    """Return a callback for Hugging Face's ``Trainer``; ``"stop"`` events end the training.

    That trainer tells its callbacks of no error. ``with monitor: trainer.train()`` closes the log
    also where training raises.

    Raises:
        MissingExtraError: transformers is not installed.
    """
    require("transformers", extra="integrations")
    import importlib

    transformers: Any = importlib.import_module("transformers")

    class Watching(transformers.TrainerCallback):
        """Looks after optimizer steps."""

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            monitor.__enter__()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            del args, state
            monitor.step()
            control.should_training_stop = control.should_training_stop or monitor.should_stop
            return control

        def on_train_end(self, *_: Any, **__: Any) -> None:
            monitor.close()

    return Watching()
