"""
When does sharpness-aware training not help?
============================================

A low edge is cheap: a larger learning rate has one too. At equal edges, what differs is the speed
of flat directions, the noise that passes, and the number of gradients. Compare those first.
"""

import matplotlib.pyplot as plt
import numpy as np

from passband import filters

usam = filters.USAM(lr=0.01, rho=0.1, momentum=0.9)
faster = filters.SGD(lr=2 * 1.9 / usam.edge, momentum=0.9)
print(usam, faster, sep="\n\n")

# %%
# Both admit the same minima. Plain SGD is faster in flat directions and costs half. A curve bends
# where modes begin to swing (SGD's left of the figure): beyond, all shrink by √momentum a step.

spectrum = usam.edge * np.geomspace(1e-3, 0.9, 300)
figure, axes = plt.subplots(layout="constrained")
for name, filter in (("USAM, ρ 0.1", usam), ("SGD, larger lr", faster)):
    shrink = -1 / np.log(filter.radius(spectrum))
    axes.loglog(spectrum, shrink * filter.gradients_per_step, label=name)
axes.set(xlabel="curvature λ", ylabel="gradients until a mode is 1/e")
axes.set_yticks(ticks := [20, 40, 100, 200, 300], labels=map(str, ticks))
axes.set_yticks([], minor=True)
axes.set_title("At one edge, a larger rate needs fewer gradients than USAM")
_ = axes.legend()

# %%
# What the larger rate pays for it is noise in flat directions, and with real batches a smaller
# mean-square edge. ``passband run one-gradient`` and the README have what was measured: without
# momentum, SGD with a larger learning rate was flatter *and* more accurate than all others.
