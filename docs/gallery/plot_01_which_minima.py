"""
Which minima can my optimizer reach?
====================================

Near a minimum one step multiplies the error along a Hessian eigenvector with eigenvalue λ by a
small matrix M(λ). The optimizer can settle only where its spectral radius is at most one for every
λ of the minimum. Those λ are its passband.
"""

import torch

import passband as pb

weights = torch.zeros(3, requires_grad=True)
optimizers = {
    "SGD": torch.optim.SGD([weights], lr=0.01, momentum=0.9),
    "USAM": pb.optim.USAM([weights], lr=0.01, rho=0.05, momentum=0.9),
    "Two-step USAM": pb.optim.USAM([weights], lr=0.01, rho=0.05, steps=2, momentum=0.9),
}
for name, optimizer in optimizers.items():
    print(f"{name:14} {pb.filter_of(optimizer).passband()}")

# %%
# The bars are the passbands, found algebraically; the curves are the radius. Intervals at negative
# curvature are saddles that attract: there the ascent turns the sign of the gradient. At the single
# point −1/ρ of Two-step USAM it sees no gradient, and neither attracts nor repels.

figure = pb.filters.plot([pb.filter_of(optimizer) for optimizer in optimizers.values()])
_ = figure.suptitle("An ascent lowers the edge, and may let saddles attract")

# %%
# This is a necessary condition: an optimizer *can settle only* there. Nothing says that it finds a
# flat minimum, and small batches end far below the edge (see :ref:`the page on small batches
# <sphx_glr_gallery_made_plot_05_small_batches.py>`).
