"""The spectrum of a model over several processes, each with its share of the data.

    torchrun --nproc-per-node 2 examples/distributed_spectrum.py [FILE]

prints the same numbers as one process, ``torchrun --nproc-per-node 1 ...``, to rounding. With a
FILE it saves eigenvalues and error bars there.
"""

import sys

import torch
import torch.distributed as dist
from torch import nn

import passband as pb


def main() -> None:
    """Measure three eigenvalues; every process has every result."""
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(0)  # the same model everywhere; or wrap it in DistributedDataParallel
    model = nn.Sequential(nn.Linear(10, 32), nn.Tanh(), nn.Linear(32, 3)).double()
    x, y = torch.randn(301, 10).double(), torch.randint(0, 3, (301,))
    mine = (x[rank::world], y[rank::world])  # shares may differ in size

    objective = pb.Objective(model, nn.functional.cross_entropy, mine)
    spectrum = pb.eigenvalues(pb.Distributed(pb.Hessian(objective)), k=3, rtol=1e-8)

    if rank == 0:
        print(spectrum)
        if len(sys.argv) > 1:
            torch.save((spectrum.values, spectrum.errors), sys.argv[1])
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
