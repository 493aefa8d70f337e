"""
Does it fit the loop I have?
============================

A closure, a block in a loop of one's own, batches in pieces: the same steps. The calls of other
packages, mixed precision, several processes and trainers are in :doc:`/recipes`.
"""

import matplotlib.pyplot as plt
import torch
from torch.nn import Linear, Sequential, Tanh
from torch.nn.functional import cross_entropy

import passband as pb

torch.manual_seed(0)
x, y = torch.randn(64, 8).double(), torch.randint(0, 3, (64,))


def block(optimizer, backward) -> None:
    backward()
    with optimizer.ascent():
        backward()
    optimizer.step()


def train(step, pieces: int = 1) -> torch.Tensor:
    torch.manual_seed(1)
    model = Sequential(Linear(8, 16), Tanh(), Linear(16, 3)).double()
    optimizer = pb.optim.SharpnessAware(torch.optim.AdamW(model.parameters(), lr=0.01), rho=0.05)
    losses = []

    def backward() -> torch.Tensor:
        parts = zip(x.chunk(pieces), y.chunk(pieces), strict=True)
        loss = sum(cross_entropy(model(a), b) / pieces for a, b in parts)
        loss.backward()
        return loss

    for _ in range(200):
        optimizer.zero_grad()
        step(optimizer, backward)
        losses.append(cross_entropy(model(x), y).item())
    return torch.tensor(losses, dtype=torch.float64)


runs = {
    "a closure": train(lambda optimizer, backward: optimizer.step(backward)),
    "a block in the loop": train(block),
    "a block, batches in 4 pieces": train(block, pieces=4),
}
figure, axes = plt.subplots(layout="constrained")
for i, (name, losses) in enumerate(runs.items()):
    axes.plot(losses, lw=8 - 2 * i, label=name)
    if name != "a closure":
        off = float((losses - runs["a closure"]).abs().max())
        print(f"{name}: off by {off:.1e} from a closure")
axes.set(xlabel="step", ylabel="loss", title="Three ways to write the loop, one curve")
_ = axes.legend()

# %%
# The curves lie on each other. Pieces differ by rounding, as sums do in another order.
