"""
Is there the same edge for one gradient a step?
===============================================

Two-step USAM has a low edge and pays three gradients a step for it. Derivative action remembers the
last gradient instead: one gradient a step, the same edge.
"""

import matplotlib.pyplot as plt
import torch

import passband as pb

EDGE, LR = 20.0, 0.02
two_step = pb.filters.design(pb.filters.USAM, edge=EDGE, lr=LR, steps=2)
memory = pb.filters.design(pb.filters.DerivativeAction, edge=EDGE, lr=LR)
print(two_step, memory, sep="\n\n")

# %%
# The real optimizers on a quadratic, just inside and just outside the edge:


def distance(make, curvature: float, steps: int = 300) -> list[float]:
    x = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimizer = make([x])
    path: list[float] = []
    for _ in range(steps):

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = curvature / 2 * (x**2).sum()
            loss.backward()
            return loss

        path.append(abs(float(x.detach())))
        optimizer.step(closure)
    return path


makers = {
    "Two-step USAM": lambda p: pb.optim.USAM(p, LR, two_step.rho, steps=2),
    "derivative SGD": lambda p: pb.optim.DerivativeSGD(p, LR, edge=EDGE),
}
figure, axes = plt.subplots(layout="constrained")
for color, (name, make) in enumerate(makers.items()):
    for factor, style in ((0.98, "-"), (1.02, "--")):
        label = f"{name}, λ = {factor} edge"
        axes.semilogy(distance(make, factor * EDGE), style, color=f"C{color}", label=label)
axes.set(xlabel="step", ylabel="distance from the minimum", ylim=(1e-4, 1e4))
axes.set_title("Both settle just inside edge 20 and leave just outside")
_ = axes.legend()

# %%
# On small batches the two do not flatten alike: docs/one-gradient.md has what was measured.
