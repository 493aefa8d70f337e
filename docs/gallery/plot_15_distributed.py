"""
Do several processes find the same spectrum?
============================================

``examples/distributed_spectrum.py`` gives each process a share of the data. Here ``torchrun``
starts it on one process and on two, and the eigenvalues are compared.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch

here = Path.cwd()
house = next(folder for folder in (here, *here.parents) if (folder / "examples").is_dir())
example = house / "examples" / "distributed_spectrum.py"
values, errors = {}, {}
with tempfile.TemporaryDirectory() as folder:
    started = {
        n: subprocess.Popen(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
                *("--nproc-per-node", str(n), str(example), f"{folder}/{n}.pt"),
            ],
            env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in (1, 2)
    }
    for n, process in started.items():
        print(f"{n} process{'es' if n > 1 else ''}: {process.communicate(timeout=300)[0]}")
        values[n], errors[n] = torch.load(f"{folder}/{n}.pt")

# %%
# Shares may differ in size: products are weighted by samples. What is left is the order in which
# numbers are added.

apart = (values[2] - values[1]).abs() / values[1].abs()
print("relative difference:", ", ".join(f"{x:.1e}" for x in apart))
assert float(apart.max()) < 1e-10

figure, axes = plt.subplots(layout="constrained")
axes.semilogy(values[1], apart.clamp_min(1e-17), "o", label="one process against two")
axes.semilogy(values[1], errors[1] / values[1], "s", label="error bar of the search")
axes.axhline(1e-10, color="gray", lw=1, label="what is asserted above")
axes.set(xlabel="eigenvalue", ylabel="relative difference")
axes.set_title("One process and two agree to rounding")
_ = axes.legend()

# %%
# It says nothing of speed: both processes share this machine, and the network is tiny.
