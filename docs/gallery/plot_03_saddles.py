"""
Why does SAM's filter leak at saddles?
======================================

An ascent of length ρ∇f past a saddle with eigenvalue λ < −1/ρ lands on its other side: the gradient
there points back. So unnormalized SAM can be held by saddles that gradient descent leaves.
"""

import matplotlib.pyplot as plt
import torch

import passband as pb

LR, RHO = 0.01, 0.2
filter = pb.filters.USAM(lr=LR, rho=RHO)
print("saddles that attract:", *filter.leaks)
print("at λ = −10 a step of USAM sees the curvature", -10 * (1 - 10 * RHO))

# %%
# Watch it: f(x, y) = 10 x² − 5 y² has the eigenvalue −10 along y, inside the leak, and the real
# optimizer comes to rest at the saddle. With a smaller ρ it leaves.


def distance(rho: float, steps: int = 400) -> list[float]:
    point = torch.tensor([0.1, 0.1], dtype=torch.float64, requires_grad=True)
    optimizer = pb.optim.USAM([point], lr=LR, rho=rho)
    path: list[float] = []
    for _ in range(steps):

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = 10 * point[0] ** 2 - 5 * point[1] ** 2
            loss.backward()
            return loss

        path.append(float(point.detach()[1].abs()))
        optimizer.step(closure)
    return path


figure, axes = plt.subplots(layout="constrained")
for rho in (RHO, 0.05, 0.0):
    inside = -10.0 in pb.filters.USAM(lr=LR, rho=rho).passband() if rho else False
    label = f"ρ = {rho}: λ = −10 {'is' if inside else 'is not'} admitted"
    path = distance(rho)
    axes.semilogy(path, label=label)
    print(f"{label}; distance {path[0]:.1f} at first, {path[-1]:.2g} after {len(path) - 1} steps")
axes.set(
    xlabel="step", ylabel="distance to the saddle along λ = −10", xlim=(0, 200), ylim=(1e-6, 1e3)
)
axes.set_title("A saddle inside the leak attracts, one outside repels")
_ = axes.legend()

# %%
# Saddles are held only below −1/ρ: with ρ times the most negative curvature below one the leak is
# out of reach. The figure is of one direction and without noise, which shakes training out of most
# saddles.
