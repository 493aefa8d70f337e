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
    filter = filters.SGD(lr=0.1, momentum=momentum)
    M = filter.in_displacements(0.3 * filter.edge)
    growth = transients.growth(M)
    norms = [np.linalg.norm(np.linalg.matrix_power(M, k), 2) for k in range(60)]
    axes.semilogy(norms, label=f"momentum {momentum}")
    print(f"momentum {momentum}: peak {growth.peak:.3f} at step {growth.step}")
axes.set(xlabel="step k", ylabel="‖Mᵏ‖ at 0.3 of the edge", ylim=(1e-3, 10))
axes.set_title("With momentum errors grow before they vanish")
_ = axes.legend()

# %%
# How far can it grow, without looking at powers? The Kreiss constant K, which is known from both
# sides, says so for every horizon at once: K ≤ peak ≤ e n K, with n = 2 rows in M.

bracket = transients.kreiss(M)
most = np.e * len(M) * bracket.upper
print(f"momentum {momentum}: K between {bracket.lower:.4f} and {bracket.upper:.4f}")
print(f"so the peak {growth.peak:.3f} had to lie between {bracket.lower:.3f} and {most:.3f}")

# %%
# The buffer is counted as a displacement, in the units of the weights. As torch keeps it, in units
# of a gradient, the same optimizer has another norm and another peak; the eigenvalues are the same.

plain = transients.growth(filter.transition(0.3 * filter.edge))
print(f"peak with the buffer in units of a gradient: {plain.peak:.3f}")
