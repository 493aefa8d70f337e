"""A coupled training step for ``passband transient examples/transient_me.py``.

Any file that defines ``step`` and ``state`` will do, or ``players``. Here a small autoencoder
descends its own loss, and a readout is fitted to its features at the same time. The autoencoder
never hears from the readout: each of the two is stable alone, and so is the pair. And yet a small
change of the autoencoder sends the readout on a detour of a hundred steps.
"""

import torch
from torch.nn import functional

from passband.transients.coupled import Player, placed, simultaneous

torch.manual_seed(0)
x = torch.randn(64, 6, dtype=torch.float64) @ torch.diag(
    torch.tensor([3, 2, 1, 1, 0.5, 0.5]).double()
)
y = torch.sin(x[:, :1]) + x[:, 1:2]


def reconstruction(w):
    features = torch.tanh(x @ w["encoder"]["in"])
    decay = sum(t.square().sum() for t in w["encoder"].values())
    return functional.mse_loss(features @ w["encoder"]["out"], x) + 0.2 * decay


def readout(w):
    features = torch.tanh(x @ w["encoder"]["in"])
    error = functional.mse_loss(features @ w["readout"], y)
    return error + 0.01 * w["readout"].square().sum()


encoder = {
    "in": 0.3 * torch.randn(6, 4, dtype=torch.float64),
    "out": 0.3 * torch.randn(4, 6, dtype=torch.float64),
}
players = {
    "encoder": Player(variables=encoder, loss=reconstruction, lr=0.3),
    "readout": Player(
        variables=torch.zeros(4, 1, dtype=torch.float64), loss=readout, lr=0.5, momentum=0.5
    ),
}
update = simultaneous(players).after(600)
step, state = update.step, update.state
players = placed(players, state)  # for --compare
