"""
What is sharpness behind batch norm?
====================================

Scaling a weight in front of a normalization changes nothing in the function, and everything in the
Hessian. What is comparable is the curvature on the sphere of that weight.
"""

import matplotlib.pyplot as plt
import torch
from torch import nn

import passband as pb

torch.manual_seed(0)
x, y = torch.randn(128, 8), torch.randn(128, 2)
model = nn.Sequential(
    nn.Linear(8, 16, bias=False), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 2)
).train()
sgd = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-3)
loss = nn.functional.mse_loss
print(pb.spherical(model, loss, (x, y), sgd))

# %%
# The same function with longer and shorter first weights:

scales, hessian, sphere = [0.25, 0.5, 1.0, 2.0, 4.0], [], []
weight = model[0].weight.detach().clone()
for scale in scales:
    with torch.no_grad():
        model[0].weight.copy_(scale * weight)
    H = pb.Hessian(pb.Objective(model, loss, (x, y), parameters=["0.weight"]))
    hessian.append(float(pb.eigenvalues(H, k=1).values[0]))
    sphere.append(pb.spherical(model, loss, (x, y), sgd).spheres[0].sharpness)
figure, axes = plt.subplots(layout="constrained")
axes.loglog(scales, hessian, "o-", label="largest eigenvalue of the Hessian")
axes.loglog(scales, sphere, "s-", label="spherical sharpness")
axes.set_xticks(scales, labels=[f"{scale:g}" for scale in scales])
axes.set_xticks([], minor=True)
axes.set(xlabel="scale of the first weight; the function is the same", ylabel="curvature")
axes.set_title("The Hessian follows the scale, the sphere does not")
_ = axes.legend()

# %%
# The norms of such weights move during training, with weight decay until the step is at its edge,
# whatever the spherical sharpness; :doc:`the theory </theory/normalized>` says how.
