"""
Why does momentum overshoot?
============================

Inside the passband errors vanish in the end. Before that they can grow: M(λ) is not normal. The
largest growth is ``overshoot``, and the curve of ‖M(λ)ᵏ‖ shows when.
"""

import matplotlib.pyplot as plt
import numpy as np

from passband import filters, transients

figure, axes = plt.subplots(layout="constrained")
for momentum in (0.0, 0.5, 0.9, 0.99):
    filter = filters.SGD(lr=1.0, momentum=momentum)
    M = filter.in_displacements(0.3 * filter.edge)
    growth = transients.growth(M)
    norms = [np.linalg.norm(np.linalg.matrix_power(M, k), 2) for k in range(60)]
    axes.semilogy(norms, label=f"momentum {momentum}")
    print(f"momentum {momentum}: peak {growth.peak:.3f} at step {growth.step}")
axes.set(xlabel="step k", ylabel="‖Mᵏ‖ at 0.3 of the edge", ylim=(1e-3, 10))
axes.set_title("With momentum errors grow before they vanish")
_ = axes.legend()

# %%
# The Kreiss constant brackets the peak from below and above: K ≤ peak ≤ e n K.

bracket = transients.kreiss(M)
print(f"Kreiss constant in [{bracket.lower:.4f}, {bracket.upper:.4f}]")

# %%
# The buffer is counted as a displacement; in other units the same optimizer has other norms.
