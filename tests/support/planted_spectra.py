"""Matrices with eigenvalues of our choice."""

import torch
from torch import Tensor

from passband.spectra.results import Which

BULK = torch.linspace(-1, 1, 60).tolist()


SPECTRA: dict[str, list[float]] = {
    **{f"{n} at random": torch.randn(n, generator=torch.Generator().manual_seed(n)).tolist()
       for n in (1, 2, 3, 4, 5, 8, 13, 21, 30)},
    "tight cluster": [10, 9.9999, 9.999, 9.99, 5, *BULK],
    "cluster": [10, 9.95, 9.9, 4, *BULK],
    "loose cluster": [10, 9.7, 9.5, 4, *BULK],
    "repeated": [10, 10, 10, 8, 6, *BULK],
    "repeated below": [10, 10, 8, 6, 6, 6, *BULK],
    "huge gaps": [1e6, 1e3, 1, 0.5, *(0.1 * x for x in BULK)],
    "negative of largest magnitude": [-100, 5, 4, 3, 2, *BULK],
    "rank three": [3, 2, 1, *[0.0] * 60],
    "rank one": [3, *[0.0] * 40],
    "zero": [0.0] * 20,
    "identity": [2.0] * 20,
    "one negative": [-1.0, *[0.0] * 20],
    "fast decay": [2.0**-i for i in range(40)],
    "slow decay": [(i / 50) ** 6 for i in range(80)],
    "negative definite": [-1.0 - i for i in range(40)],
    "tiny": [1e-30 * i for i in range(20)],
    "huge": [1e30 * i for i in range(20)],
}  # fmt: skip


def planted(values: list[float], *, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    """A symmetric matrix with these eigenvalues and random eigenvectors."""
    lam, n = torch.tensor(values, dtype=torch.float64), len(values)
    generator = torch.Generator().manual_seed(seed)
    Q = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))[0]
    matrix = (Q * lam) @ Q.T
    return ((matrix + matrix.T) / 2).to(dtype)


def true_values(matrix: Tensor, k: int, which: Which) -> Tensor:
    lam = torch.linalg.eigvalsh(matrix.double())
    ends = {
        "largest": lam.flip(0)[:k],
        "smallest": lam[:k],
        "magnitude": lam[lam.abs().argsort(descending=True)][:k],
        "both": torch.cat([lam.flip(0)[:k], lam[:k]]),
    }
    return ends[which]
