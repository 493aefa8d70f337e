"""
Two players, stable, and yet it blows up
========================================

One player drives another. Each is stable alone, and the pair is: all eigenvalues are below one. A
small change of the driver still grows fifteenfold before it dies.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

import passband as pb
from passband.transients import Blocks
from passband.transients.coupled import Player, simultaneous

rest = torch.zeros(1, dtype=torch.float64)
players = {
    "driver": Player(variables=rest, loss=lambda w: 0.05 * w["driver"].square().sum(), lr=0.05),
    "driven": Player(
        variables=rest,
        loss=lambda w: (w["driven"] ** 2 / 2 - 20 * w["driver"] * w["driven"]).sum(),
        lr=0.05,
    ),
}
J = simultaneous(players).jacobian()
found = pb.transient(J)
print(found)

# %%
# The curve ‖Jᵏ‖, and what the radii and the coupling alone say beforehand.

matrix = J.dense().numpy()
steps = np.arange(0, 1500, 5)
norms = [np.linalg.norm(np.linalg.matrix_power(matrix, int(k)), 2) for k in steps]
blocks = Blocks(a=0.995, b=0.95, c=1.0)
figure, axes = plt.subplots(layout="constrained")
axes.semilogy(steps, norms, label="‖Jᵏ‖, the worst start")
axes.semilogy(steps, 0.995**steps, "--", label="what the spectral radius suggests")
axes.axhline(blocks.peak, color="gray", lw=1, label="largest peak of such blocks")
axes.set(xlabel="step", ylabel="growth")
_ = axes.legend()
