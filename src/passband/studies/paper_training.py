"""Images and networks of `passband.studies.paper`, and what is measured on the way."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from passband.errors import NonFiniteError
from passband.problem import Objective
from passband.studies.datasets import cifar10, fashion_mnist, full_mnist
from passband.studies.images import SIDE, Images, Split, mnist
from passband.studies.networks import wide_resnet
from passband.studies.paper import PaperTraining
from passband.studies.sharpness import largest
from passband.studies.training import accuracy, perceptron

COLOR_SIDE = 32
CLASSES = 10
TOGETHER = 250
"""Images that go through a residual network together when the whole loss is measured."""

_WHOLE = {"mnist": full_mnist, "fashion": fashion_mnist, "cifar10": cifar10}


def load(run: PaperTraining) -> Split:
    """Return training, validation and test images, chosen by a permutation that never changes.

    Raises:
        ValueError: More images are asked than there are.
        OSError: The images cannot be downloaded; the message says where to put them by hand.
    """
    wanted = run.train + run.validation
    if run.data == "subset":
        whole = mnist(train=wanted, test=run.test, side=run.side)
        chosen, test = torch.arange(wanted), whole.test
    else:
        whole = _WHOLE[run.data]()
        total = len(whole.train.y)
        if wanted > total or run.test > len(whole.test.y):
            raise ValueError(
                f"{run.data} has {total} and {len(whole.test.y)} images; got train={run.train}, "
                f"validation={run.validation}, test={run.test}."
            )
        chosen = torch.randperm(total, generator=torch.Generator().manual_seed(0))[:wanted]
        test = _part(whole.test, torch.arange(run.test), run.place)
    return Split(
        train=_part(whole.train, chosen[: run.train], run.place),
        test=test,
        validation=_part(whole.train, chosen[run.train :], run.place),
    )


def _part(images: Images, chosen: Tensor, place: str) -> Images:
    return Images(images.x[chosen].to(place), images.y[chosen].to(place))


def network(run: PaperTraining) -> nn.Module:
    """Return the network with its initial weights, where it is trained."""
    if run.network_kind == "wide-resnet":
        model: nn.Module = wide_resnet(depth=run.depth, widen=run.widen, seed=run.seed)
    else:
        pixels = run.side**2 if run.data == "subset" else _pixels(run)
        model = perceptron((pixels, *run.hidden, CLASSES), activation=nn.ReLU, seed=run.seed)
    return model.to(run.place)


@contextmanager
def same_convolutions() -> Generator[None]:
    """Have cuDNN choose convolutions that give the same numbers every time."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before


def _pixels(run: PaperTraining) -> int:
    return 3 * COLOR_SIDE**2 if run.data == "cifar10" else SIDE**2


def pieces(run: PaperTraining, images: Images) -> Any:
    """Return the images at once for a perceptron, in pieces for a residual network."""
    if run.network_kind == "perceptron":
        return images.x, images.y
    return list(zip(images.x.split(TOGETHER), images.y.split(TOGETHER), strict=True))


def watch(run: PaperTraining, epoch: int, model: nn.Module, split: Split) -> dict[str, float]:
    """Return what an epoch adds: at the budget, sharpness and accuracy; at the end, validation."""
    found: dict[str, float] = {}
    if epoch == run.budget:
        objective = Objective(model, cross_entropy, run.pieces(split.train))
        try:
            spectrum = largest(objective, rtol=run.rtol, verify=True)
        except NonFiniteError:
            return found
        found["sharpness_at_budget"] = float(spectrum.values[0])
        found["test_accuracy_at_budget"] = accuracy(model, split.test)
        found["gradients_at_budget"] = (
            epoch * -(-run.train // run.batch) * run.method.filter().gradients_per_step
        )
    if epoch == run.epochs and split.validation is not None and len(split.validation.y):
        found["validation_accuracy"] = accuracy(model, split.validation)
    return found
