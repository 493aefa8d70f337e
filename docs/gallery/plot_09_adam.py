"""
Where is Adam's edge?
=====================

Adam divides by the root of its second moment, so what counts is the preconditioned Hessian, and its
edge there is 2 (1 + β₁) / ((1 − β₁) lr). The optimizer's live state is the preconditioner.
"""

import matplotlib.pyplot as plt
import torch
from torch import nn

import passband as pb

torch.manual_seed(0)
x = torch.randn(64, 10)
y = torch.sin(3 * x[:, :2]) * 2
model = nn.Sequential(nn.Linear(10, 32), nn.Tanh(), nn.Linear(32, 2))
adam = torch.optim.Adam(model.parameters(), lr=0.01, betas=(0.5, 0.999))
loss = nn.functional.mse_loss
print("edge in preconditioned curvature:", round(pb.filter_of(adam).edge, 3))

monitor = pb.Monitor(model, loss, (x, y), adam, every=20, log=None, on_event="silent")
plain: list[float] = []
for _ in range(1500):
    adam.zero_grad()
    loss(model(x), y).backward()
    adam.step()
    if monitor.step():
        H = pb.Hessian(pb.Objective(model, loss, (x, y)))
        plain.append(float(pb.eigenvalues(H, k=1, rtol=1e-2, verify=False).values[0]))

# %%
# The sharpness of the loss itself says little about Adam; the preconditioned one meets its edge.
# That edge is a snapshot: the preconditioner goes on moving.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
steps = [probe.step for probe in monitor.probes]
left.plot(steps, plain)
left.set(xlabel="step", ylabel="sharpness of the loss", ylim=(0, None))
right.plot(steps, [probe.ratio for probe in monitor.probes])
right.axhline(1, color="gray", lw=1)
right.set(xlabel="step", ylabel="preconditioned sharpness / edge")
late = [probe.ratio for probe in monitor.probes if probe.step > 1000]
print(f"preconditioned, after step 1,000: {min(late):.2f} to {max(late):.2f} of the edge")
print(f"plain, meanwhile: {min(plain[-len(late) :]):.3g} to {max(plain[-len(late) :]):.3g}")
_ = figure.suptitle("It is the preconditioned sharpness that stays at the edge")
