"""Coupled training problems on real images, small enough to know their equilibria exactly.

Everything is float64 and full batch, and every activation is smooth, so that a training step is
one function whose equilibrium can be polished to rounding.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils import _pytree as pytree

from passband.studies.images import mnist
from passband.studies.transients.prediction import Name
from passband.transients.coupled import Player, Update, bilevel, simultaneous

Layer = dict[str, Tensor]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Players, how they move, and who moves before all do.

    Attributes:
        players: Where they begin.
        update: Their step.
        first: Who is trained alone to begin with, by plain descent; all if empty.
    """

    players: Mapping[str, Player]
    update: Callable[[Mapping[str, Player]], Update]
    first: tuple[str, ...] = ()


def problem(
    name: Name, *, rates: tuple[float, float], images: int, side: int, seed: int
) -> Problem:
    """Return a problem by its name.

    Args:
        name: ``"GAN"``, ``"readout"`` or ``"bilevel"``.
        rates: Learning rates of the driving and of the driven player.
        images: How many.
        side: Pixels a side of MNIST's; the GAN has scikit-learn's digits.
        seed: Of the initial weights.
    """
    if name == "GAN":
        return gan(rates, images=images, seed=seed)
    make = {"readout": readout, "bilevel": decays}[name]
    return make(rates, images=images, side=side, seed=seed)


def gan(rates: tuple[float, float], *, images: int, seed: int) -> Problem:
    """Return a generator of digits and a discriminator, both told the digit.

    Six principal components of scikit-learn's digits. Logistic losses, the generator's not
    saturating; R1 penalty and weight decay, without which nothing converges.
    """
    x, labels = _digits(images)
    z = 2 * functional.one_hot(labels, 10).double()
    draw = torch.Generator().manual_seed(seed)
    hidden, features = 8, x.shape[1]
    generator = {"in": _layer(10, hidden, draw), "out": _layer(hidden, features, draw)}
    discriminator = {
        "in": _layer(features, hidden, draw),
        "out": _layer(hidden, 1, draw),
        "digit": {"w": torch.randn(10, hidden, generator=draw, dtype=torch.float64) / 2},
    }

    def made(w: Mapping[str, Any]) -> Tensor:
        return _dense(torch.tanh(_dense(z, w["generator"]["in"])), w["generator"]["out"])

    def before(d: Mapping[str, Layer], x: Tensor) -> Tensor:
        return _dense(x, d["in"]) + z @ d["digit"]["w"]

    def judged(w: Mapping[str, Any], x: Tensor) -> Tensor:
        d = w["discriminator"]
        return _dense(functional.softplus(before(d, x)), d["out"])

    def deceive(w: Mapping[str, Any]) -> Tensor:
        return functional.softplus(-judged(w, made(w))).mean()

    def tell_apart(w: Mapping[str, Any]) -> Tensor:
        d = w["discriminator"]
        slopes = (torch.sigmoid(before(d, x)) * d["out"]["w"][:, 0]) @ d["in"]["w"].T
        penalty = slopes.square().sum(dim=1).mean() / 2
        fake, real = judged(w, made(w)), judged(w, x)
        return functional.softplus(fake).mean() + functional.softplus(-real).mean() + penalty

    players = {
        "generator": Player(variables=generator, loss=deceive, lr=rates[0], weight_decay=0.02),
        "discriminator": Player(
            variables=discriminator, loss=tell_apart, lr=rates[1], weight_decay=0.06
        ),
    }
    return Problem(players, simultaneous)


def readout(rates: tuple[float, float], *, images: int, side: int, seed: int) -> Problem:
    """Return an autoencoder of MNIST digits, and a classifier that reads its features meanwhile.

    The autoencoder never hears from the classifier: the coupling is one way.
    """
    data = mnist(train=images, test=0, side=side).train
    x = data.x.double()
    draw = torch.Generator().manual_seed(seed)
    hidden, pixels = 5, side**2
    encoder = {"in": _layer(pixels, hidden, draw), "out": _layer(hidden, pixels, draw)}

    def features(w: Mapping[str, Any]) -> Tensor:
        return torch.tanh(_dense(x, w["autoencoder"]["in"]))

    def reconstruct(w: Mapping[str, Any]) -> Tensor:
        return functional.mse_loss(_dense(features(w), w["autoencoder"]["out"]), x)

    def classify(w: Mapping[str, Any]) -> Tensor:
        return functional.cross_entropy(_dense(features(w), w["readout"]), data.y)

    players = {
        "autoencoder": Player(variables=encoder, loss=reconstruct, lr=rates[0], weight_decay=0.03),
        "readout": Player(
            variables=_layer(hidden, 10, draw), loss=classify, lr=rates[1], weight_decay=0.003
        ),
    }
    return Problem(players, simultaneous)


def decays(rates: tuple[float, float], *, images: int, side: int, seed: int) -> Problem:
    """Return a linear classifier of MNIST digits whose weight decays are trained on other images.

    One decay, by its logarithm, for each row of pixels and one for the biases; two inner steps
    an outer one, which differentiates through them.
    """
    split = mnist(train=images, test=images, side=side)
    x, held = split.train.x.double(), split.test.x.double()
    draw = torch.Generator().manual_seed(seed)
    logs = torch.full((side + 1,), -4.0, dtype=torch.float64)

    def penalty(logs: Tensor, w: Layer) -> Tensor:
        rows = torch.stack([*w["w"].view(side, -1).square().sum(dim=1), w["b"].square().sum()])
        return logs.exp() @ rows / 2

    def fit(w: Mapping[str, Any]) -> Tensor:
        loss = functional.cross_entropy(_dense(x, w["inner"]), split.train.y)
        return loss + penalty(w["outer"], w["inner"])

    def validate(w: Mapping[str, Any]) -> Tensor:
        loss = functional.cross_entropy(_dense(held, w["inner"]), split.test.y)
        return loss + 0.01 * (w["outer"] + 4).square().sum()

    players = {
        "outer": Player(variables=logs, loss=validate, lr=rates[0]),
        "inner": Player(variables=_layer(side**2, 10, draw), loss=fit, lr=rates[1]),
    }

    def update(players: Mapping[str, Player]) -> Update:
        return bilevel(players["outer"], players["inner"], steps=2)

    return Problem(players, update, first=("inner",))


def descend(
    players: Mapping[str, Player], movers: tuple[str, ...], *, steps: int
) -> dict[str, Any]:
    """Return the variables after simultaneous descent of some players; `Update` is slower."""
    w = {
        name: pytree.tree_map(
            lambda t, moves=name in movers or not movers: t.clone().requires_grad_(moves),
            player.variables,
        )
        for name, player in players.items()
    }
    moving = [name for name in players if name in movers or not movers]
    for _ in range(steps):
        gradients = {
            name: torch.autograd.grad(players[name].loss(w), pytree.tree_leaves(w[name]))
            for name in moving
        }
        with torch.no_grad():
            for name in moving:
                player = players[name]
                for t, g in zip(pytree.tree_leaves(w[name]), gradients[name], strict=True):
                    t.sub_(g + player.weight_decay * t, alpha=player.lr)
    return pytree.tree_map(torch.Tensor.detach, w)


def _digits(images: int) -> tuple[Tensor, Tensor]:
    """Return six principal components of some digits, of unit variance together, and labels."""
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    pixels = found.data - found.data.mean(axis=0)
    directions = np.linalg.svd(pixels, full_matrices=False)[2][:6]
    parts = pixels[:images] @ directions.T
    return torch.from_numpy(parts / parts.std()), torch.from_numpy(found.target[:images]).long()


def _layer(rows: int, columns: int, draw: torch.Generator) -> Layer:
    shape = (rows, columns)
    w = torch.randn(*shape, generator=draw, dtype=torch.float64) / rows**0.5
    b = 0.3 * torch.randn(columns, generator=draw, dtype=torch.float64)
    return {"w": w, "b": b}


def _dense(x: Tensor, layer: Layer) -> Tensor:
    return x @ layer["w"] + layer["b"]
