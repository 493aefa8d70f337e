"""
How sharp is a transformer?
===========================

Fused attention has no second derivative; passband switches to one that has while it measures. The
answer carries error bars, and how many Hessian products it took.
"""

import matplotlib.pyplot as plt
import torch
from torch import nn

import passband as pb

torch.manual_seed(0)


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(32, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(self.tokens(x))).flatten(0, 1)


def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(output, target.flatten())


model = Tiny()
words = torch.randint(0, 32, (32, 16))
data = (words, (3 * words + 1) % 32)  # the next word is a function of this one
adam = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(30):
    adam.zero_grad()
    loss(model(data[0]), data[1]).backward()
    adam.step()
objective = pb.Objective(model, loss, data)
H = pb.Hessian(objective)
spectrum = pb.eigenvalues(H, k=2, rtol=1e-2)
print(spectrum)

# %%
# Which parameters carry it: the trace of every block, with a confidence interval.

traces = pb.layer_traces(H, max_matvecs=40)
names = sorted(traces, key=lambda name: -traces[name].value)[:10]
figure, axes = plt.subplots(layout="constrained")
axes.barh(
    names, [traces[n].value for n in names], xerr=[traces[n].error for n in names], color="C0"
)
axes.invert_yaxis()
axes.set(xlabel="trace of the block of the Hessian, 95 % interval")
_ = figure.suptitle("Feed-forward weights carry more than half of the trace")

# %%
# Trained on a toy language: the page is about the measurement. Traces of blocks miss what lies
# between blocks, so no block alone is the sharpness.
