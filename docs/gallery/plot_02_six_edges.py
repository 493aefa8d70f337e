"""
Six optimizers, six edges?
==========================

One small network, all data at every step, one learning rate. Sharpness rises until the optimizer
lets no more through; each optimizer has another edge, known before training.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

import passband as pb

LR, EVERY, STEPS = 0.25, 40, 1000
makers = {
    "gradient descent": lambda p: torch.optim.SGD(p, LR),
    "heavy ball": lambda p: torch.optim.SGD(p, LR, momentum=0.1),
    "Nesterov": lambda p: torch.optim.SGD(p, LR, momentum=0.1, nesterov=True),
    "USAM": lambda p: pb.optim.USAM(p, LR, rho=0.03),
    "Two-step USAM": lambda p: pb.optim.USAM(p, LR, rho=0.04, steps=2),
    "Hessian USAM": lambda p: pb.optim.HessianUSAM(p, LR, rho=0.02),
}


def train(make) -> tuple[float, list[float]]:
    x = torch.randn(64, 10, generator=torch.manual_seed(0))
    y = torch.sin(3 * x[:, :2]) * 2
    model = nn.Sequential(nn.Linear(10, 32), nn.Tanh(), nn.Linear(32, 2))
    optimizer, loss = make(model.parameters()), nn.functional.mse_loss

    def closure() -> torch.Tensor:
        value = loss(model(x), y)
        value.backward()
        return value

    sharpness: list[float] = []
    for step in range(STEPS):
        if step % EVERY == 0:
            H = pb.Hessian(pb.Objective(model, loss, (x, y)))
            sharpness.append(float(pb.eigenvalues(H, k=1, verify=False).values[0]))
        optimizer.zero_grad()
        optimizer.step(closure)
    return pb.filter_of(optimizer).edge, sharpness


figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
for name, make in makers.items():
    edge, sharpness = train(make)
    ratio = np.array(sharpness) / edge
    axes.plot(range(0, STEPS, EVERY), ratio, label=f"{name}, edge {edge:.3g}")
    print(f"{name:16}  edge {edge:6.3f}  last 8 probes over it: median {np.median(ratio[-8:]):.3f}")
axes.axhline(1, color="gray", lw=1)
axes.set(xlabel="step", ylabel="sharpness / edge", title="Each meets the edge it was predicted")
_ = axes.legend()

# %%
# A network at rest before it meets its edge stays below. With small batches noise stops it earlier.
