"""
How far can the eigenvalues of a bilevel problem move?
======================================================

Four targets are learned through a ridge regression on them: some steps of its weights, then one of
the targets, differentiated through them. Contours are the pseudospectra of that step.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from passband import transients
from passband.transients.coupled import Player, bilevel

torch.manual_seed(0)
scale = torch.tensor([1.0, 0.3, 0.05], dtype=torch.float64)  # features of unlike size
learned = torch.randn(4, 3).double() * scale
x = torch.randn(50, 3).double() * scale
y = x @ torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)


def fit(w) -> torch.Tensor:
    ridge = 1e-4 * w["inner"].square().sum() / 2
    return (learned @ w["inner"] - w["outer"]).square().mean() / 2 + ridge


def validate(w) -> torch.Tensor:
    return (x @ w["inner"] - y).square().mean() / 2


targets = Player(variables=torch.zeros(4).double(), loss=validate, lr=0.2, weight_decay=0.01)
weights = Player(variables=torch.zeros(3).double(), loss=fit, lr=1.0)
for steps in (1, 5, 20):  # quadratic, so J is the same everywhere
    J = bilevel(targets, weights, steps=steps).jacobian().dense().numpy()
    K, growth = transients.kreiss(J), transients.growth(J)
    print(f"inner steps {steps}: radius {np.abs(np.linalg.eigvals(J)).max():.5f}, {growth},")
    print(f"    K in [{K.lower:.5f}, {K.upper:.5f}]; ", end="")
    change = transients.distance_to_instability(J)
    print(f"a change of {change:.1e} can make it unstable")

a, b = np.linspace(0.982, 1.01, 141), np.linspace(-0.012, 0.012, 121)
grid = transients.pseudospectrum(J, a, b)
figure, axes = plt.subplots(figsize=(7, 6), layout="constrained")
contours = axes.contour(a, b, np.log10(grid.sigma), levels=np.arange(-5, -2, 0.5))
axes.clabel(contours, fmt=lambda level: f"$10^{{{level:.1f}}}$")
angle = np.linspace(-0.012, 0.012, 50)
axes.plot(np.cos(angle), np.sin(angle), color="gray", lw=1, label="unit circle")
axes.plot(grid.eigenvalues.real, grid.eigenvalues.imag, "k.", label="eigenvalues, 20 inner steps")
axes.plot(K.z.real, K.z.imag, "r+", markersize=12, label="where K is attained")
axes.set(xlabel="Re z", ylabel="Im z", xlim=(0.982, 1.01))
axes.set_title(f"A change of norm {change:.1e} can reach the unit circle")
_ = figure.legend(loc="outside lower center", ncols=3)

# %%
# A contour of ε is how far a change of J of norm ε can move an eigenvalue. Where it leaves the unit
# circle by more than ε a transient is certain. It says nothing of which change is likely.
