"""
Pseudospectra: how far eigenvalues may move
===========================================

Contours of the resolvent of an update Jacobian. Where the contour of ε leaves the unit circle by
more than ε, a transient is certain: that is the Kreiss constant.
"""

import matplotlib.pyplot as plt
import numpy as np

from passband import transients

J = np.array([[0.9, 0.0, 0.0], [0.6, 0.85, 0.0], [0.3, 0.6, 0.8]])
bracket = transients.kreiss(J)
growth = transients.growth(J)
print(f"K in [{bracket.lower:.6f}, {bracket.upper:.6f}] at z = {bracket.z:.4f}")
print(f"peak of ‖Jᵏ‖: {growth.peak:.4f} at step {growth.step}")

x = np.linspace(-0.4, 1.6, 161)
y = np.linspace(-1.0, 1.0, 161)
grid = transients.pseudospectrum(J, x, y)
figure, axes = plt.subplots(figsize=(6, 6), layout="constrained")
levels = np.arange(-3, 0.1, 0.5)
contours = axes.contour(x, y, np.log10(grid.sigma), levels=levels)
axes.clabel(contours, fmt="1e%.1f")
angle = np.linspace(0, 2 * np.pi, 400)
axes.plot(np.cos(angle), np.sin(angle), color="gray", lw=1)
axes.plot(np.linalg.eigvals(J).real, np.linalg.eigvals(J).imag, "k.")
axes.plot(bracket.z.real, bracket.z.imag, "r+", markersize=12, label="where K is attained")
axes.set(xlabel="Re z", ylabel="Im z", aspect="equal")
_ = axes.legend()
