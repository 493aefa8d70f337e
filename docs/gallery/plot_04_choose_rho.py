"""
Which rho gives the sharpness I want?
=====================================

``passband.filters.design`` turns the question around: it finds the ρ (or learning rate, or
strength) whose edge is the one you ask for.
"""

import matplotlib.pyplot as plt
import numpy as np

from passband import filters

EDGE, LR = 20.0, 0.01
families = (filters.USAM, filters.HessianUSAM, filters.DerivativeAction, filters.Secant)
found = [filters.design(family, edge=EDGE, lr=LR, momentum=0.9) for family in families]
plain = filters.SGD(lr=2 * 1.9 / EDGE, momentum=0.9)

# %%
# All but the first have the edge 20. What they pay differs: gradients a step, and how much noise
# passes.

print(filters.pareto([filters.SGD(lr=LR, momentum=0.9), plain, *found]))

# %%
# The edge of USAM as a function of ρ, with the designed one marked.

rhos = np.geomspace(1e-3, 1, 60)
figure, axes = plt.subplots(layout="constrained")
for momentum in (0.0, 0.9):
    edges = [filters.USAM(lr=LR, rho=float(rho), momentum=momentum).edge for rho in rhos]
    axes.loglog(rhos, edges, label=f"momentum {momentum}")
axes.plot(found[0].rho, EDGE, "o", color="black", label=f"edge 20 at ρ = {found[0].rho:.3g}")
axes.set_yticks(ticks := [20, 50, 100, 200, 300], labels=map(str, ticks))
axes.set_yticks([], minor=True)
axes.set(xlabel="ρ (1 / curvature)", ylabel="edge of USAM (curvature)")
axes.set_title("A larger ρ has a lower edge, momentum a higher one")
_ = axes.legend()

# %%
# An edge is what an optimizer lets through at most. Whether training gets there, and whether a
# large ρ can be afforded from the first step on, is not in the figure.
