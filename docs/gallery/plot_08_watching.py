"""
How do I watch a run meet its edge?
===================================

Trained on all data at once, networks sharpen until their optimizer lets nothing sharper through.
``Monitor`` shows it while it happens, and leaves the training bit for bit as it is.
"""

import matplotlib.pyplot as plt
import torch
from torch import nn

import passband as pb


def watch(make) -> pb.Monitor:
    torch.manual_seed(0)
    x = torch.randn(64, 10)
    y = torch.sin(3 * x[:, :2]) * 2
    model = nn.Sequential(nn.Linear(10, 32), nn.Tanh(), nn.Linear(32, 2))
    optimizer = make(model.parameters())
    loss = nn.functional.mse_loss
    watch = pb.Monitor(model, loss, (x, y), optimizer, every=20, log=None, on_event="silent")
    with watch as monitor:
        for _ in range(1500):

            def closure() -> torch.Tensor:
                optimizer.zero_grad()
                value = loss(model(x), y)
                value.backward()
                return value

            optimizer.step(closure)
            monitor.step()
    return monitor


runs = {
    "gradient descent": watch(lambda p: torch.optim.SGD(p, lr=0.25)),
    "USAM": watch(lambda p: pb.optim.USAM(p, lr=0.2, rho=0.05)),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for name, monitor in runs.items():
    steps = [probe.step for probe in monitor.probes]
    line = left.plot(steps, [probe.sharpness for probe in monitor.probes], label=name)[0]
    left.axhline(monitor.probes[-1].edge, color=line.get_color(), ls="--", lw=1)
    right.plot(steps, [probe.ratio for probe in monitor.probes], label=name)
right.axhline(1, color="gray", lw=1)
left.set(xlabel="step", ylabel="sharpness; dashed: the edge")
right.set(xlabel="step", ylabel="sharpness / edge")
figure.suptitle("Each rises to its edge, overshoots, and stays there")
_ = left.legend()
for name, monitor in runs.items():
    for event in monitor.events[:2]:
        print(f"{name}, step {event.step}: {event.message}")

# %%
# Sharpening stops where the loss is fitted, too: with ``lr=0.2`` gradient descent comes to rest at
# a minimum just below its edge, and the ratio says so. This is a full batch. With small ones the
# sharpness stays below the edge, and ``Monitor(batch=...)`` has the ratio that counts there.
