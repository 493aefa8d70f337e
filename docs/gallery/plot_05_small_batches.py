"""
How sharp a minimum do small batches allow?
===========================================

The edge is a statement about the full gradient. With batches whose curvature scatters by a share ν
around λ, the second moment of a mode grows long before.
"""

import matplotlib.pyplot as plt
import numpy as np

from passband import filters

optimizers = {
    "gradient descent": filters.SGD(lr=0.01),
    "heavy ball": filters.SGD(lr=0.01, momentum=0.9),
    "USAM": filters.USAM(lr=0.01, rho=0.05),
}
nu = np.linspace(0, 2, 41)
figure, axes = plt.subplots(layout="constrained")
for name, filter in optimizers.items():
    share = [filter.mean_square_edge(ratio=float(r)) / filter.edge for r in nu]
    axes.plot(nu, share, label=name)
axes.set(xlabel="ν: scatter of batch curvature over its mean", ylabel="mean-square edge / edge")
axes.set_title("Scatter lowers every edge, that of heavy ball most")
_ = axes.legend()

# %%
# A simulation of one mode of heavy ball, just below and just above its mean-square edge:

filter, ratio = optimizers["heavy ball"], 0.5
edge = filter.mean_square_edge(ratio=ratio)
generator = np.random.default_rng(0)
for factor in (0.9, 1.1):
    x, v = np.ones(20_000), np.zeros(20_000)
    for _ in range(150):
        curvature = factor * edge * (1 + ratio * generator.standard_normal(len(x)))
        v = 0.9 * v + curvature * x
        x = x - 0.01 * v
    print(f"{factor:.1f} of the mean-square edge: mean square {np.mean(x**2):.2e} after 150 steps")

# %%
# It is a model of one direction with independent curvatures; what a network does is measured by
# ``Monitor(batch=...)``, which reports this ratio for its sharpest mode.
