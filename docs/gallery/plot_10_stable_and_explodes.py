"""
Why does a stable GAN explode?
==============================

A generator with a mean and a scale, a discriminator that compares means and squares. At the
right answer every eigenvalue of their step is below one. A small change still grows first.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

import passband as pb
from passband.transients.coupled import Player, simultaneous

torch.manual_seed(0)
noise = torch.randn(200, dtype=torch.float64)
real = 1 + 2 * noise


def preference(w) -> torch.Tensor:
    made = w["generator"][0] + w["generator"][1] * noise
    return w["discriminator"] @ torch.stack([(made - real).mean(), (made**2 - real**2).mean()])


def tell_apart(w) -> torch.Tensor:
    return preference(w) + 0.05 * w["discriminator"].square().sum()


rest = {"generator": torch.tensor([1.0, 2.0]).double(), "discriminator": torch.zeros(2).double()}
players = {
    "generator": Player(variables=rest["generator"], loss=lambda w: -preference(w), lr=0.0005),
    "discriminator": Player(variables=rest["discriminator"], loss=tell_apart, lr=0.2),
}
J = simultaneous(players).jacobian()
found = pb.transient(J)
print(found)

# %%
# The real training, moved from its rest by a thousandth in the worst direction.

moved = J.as_state(1e-3 * found.direction)
state = {who: {"variables": rest[who] + moved[who]["variables"]} for who in rest}
worst = []
for _ in range(400):
    gaps = [state[who]["variables"] - rest[who] for who in rest]
    worst.append(1e3 * float(torch.cat(gaps).norm()))
    state = simultaneous(players).step(state)
print(f"measured: {max(worst):.2f} times, at step {int(np.argmax(worst))}")
figure, axes = plt.subplots(layout="constrained")
axes.semilogy(worst, label="training, worst start")
axes.semilogy(found.curve[:400], "k:", label="‖Jᵏ‖")
axes.semilogy(found.radius ** np.arange(400), "--", label="what the spectral radius suggests")
axes.set(xlabel="step", ylabel="distance from rest / first distance", ylim=(None, 50))
axes.set_title(f"Stable, and {max(worst):.0f} times farther away at first")
_ = axes.legend()

# %%
# The discriminator's rate is 400 times the generator's: it overreacts. The curves are those near
# rest; far from it J changes at every step. The distance counts all weights alike.
