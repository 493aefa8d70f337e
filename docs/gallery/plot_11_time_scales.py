"""
Which time-scale ratio?
=======================

Slowing the driven player down reduces the transient, and slows everything. The block model shows
both, and recommends a ratio.
"""

import matplotlib.pyplot as plt
import numpy as np

from passband.transients import Blocks

A, B, C = 0.995, 0.95, 1.0
ratios = np.geomspace(0.02, 1, 60)
peaks, steps = [], []
for ratio in ratios:  # the driven player's steps are scaled, and what it hears with them
    blocks = Blocks(a=A, b=1 - ratio * (1 - B), c=ratio * C)
    peaks.append(blocks.peak)
    steps.append(blocks.steps(1e-3))

blocks = Blocks(a=A, b=B, c=C)
best = blocks.best_ratio(max_kreiss=5)
print(f"at ratio 1: peak {blocks.peak:.3g}, {blocks.steps():.0f} steps")
print(f"K ≤ 5 asks for {best.ratio:.3g}: peak {best.blocks.peak:.3g}, {best.cost:.0f} steps")
print(f"no transient at all up to {blocks.no_transient_ratio:.3g}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.semilogx(ratios, peaks)
right.semilogx(ratios, steps)
for axes in (left, right):
    axes.set_xticks(ticks := [0.02, 0.05, 0.1, 0.2, 0.5, 1], labels=map(str, ticks))
    axes.set_xticks([], minor=True)
    axes.set(xlabel="learning-rate ratio, driven player", ylim=(0, None))
left.set(ylabel="worst peak", title="A slower driven player grows less …")
_ = right.set(ylabel="steps until below 1/1000", title="… and takes longer")

# %%
# For a model of your own, ``passband.transients.coupled.compare(players)`` measures the blocks and
# puts this advice beside the remedies of the literature. The curves are worst cases of all systems
# with these radii and this coupling; a given one stays below.
