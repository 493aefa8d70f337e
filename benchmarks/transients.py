"""Cost of transients: Kreiss brackets and pseudospectra, on one core.

    OMP_NUM_THREADS=1 python benchmarks/transients.py

Seconds are process time, so that other work on the machine does not count.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from passband import transients

KREISS_LIMITS = {32: 0.5, 100: 10.0}  # seconds, at a relative width of 1e-6
SPEEDUP = 20.0
PEAK_ERROR = 0.01  # relative, from products alone


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def transient_demo(n: int) -> ndarray:
    cycle = np.roll(np.eye(n), 1, axis=1)
    return 0.4 * (np.diag(np.exp(2j * np.pi * np.arange(n) / n)) + cycle) - 0.5 * np.eye(n)


def random_iteration(n: int, *, real: bool) -> ndarray:
    rng = np.random.default_rng(0)
    A = rng.standard_normal((n, n)) + (0 if real else 1j) * rng.standard_normal((n, n))
    return 0.95 * A / np.abs(np.linalg.eigvals(A)).max()


def coupled_descent(n: int) -> ndarray:
    """Two players, the first driving the second: gradient descent at step size 0.05."""
    rng = np.random.default_rng(0)
    half = n // 2
    P, R = (np.diag(rng.uniform(low, 2, half)) for low in (0.1, 1.0))
    C = rng.standard_normal((half, half))
    return np.eye(n) - 0.05 * np.block([[P, np.zeros_like(P)], [20 * C / np.linalg.norm(C, 2), R]])


def kreiss_table() -> bool:
    print(f"{'Kreiss constant, 1e-6':34}{'n':>5}{'K':>12}{'curves':>8}{'seconds':>9}")
    good = True
    for n, limit in KREISS_LIMITS.items():
        for name, A in (
            ("random, real", random_iteration(n, real=True)),
            ("random, complex", random_iteration(n, real=False)),
            ("coupled descent", coupled_descent(n)),
            ("transient demo", transient_demo(n)),
        ):
            if n > 64 and name == "transient demo":
                continue  # K = 6e6: float64 has five digits of it
            spent, found = seconds(lambda A=A: transients.kreiss(A))
            narrow = found.upper <= found.lower * (1 + 1e-6)
            in_time = spent < limit
            good = good and in_time and narrow
            remark = "" if in_time and narrow else "  LATE" if narrow else "  WIDE"
            print(f"  {name:32}{n:5}{found.lower:12.6g}{found.evaluations:8}{spent:9.2f}{remark}")
    return good


def pseudospectrum_table(n: int = 500, side: int = 40, sampled: int = 12) -> bool:
    print(
        f"\n{'pseudospectrum, ' + str(side**2) + ' points':34}{'n':>5}{'ms':>9}{'full':>9}", end=""
    )
    print(f"{'faster':>9}{'apart':>10}")
    good = True
    rng = np.random.default_rng(0)
    for name, A in (
        ("random, real", random_iteration(n, real=True)),
        ("coupled descent", coupled_descent(n)),
    ):
        x, y = np.linspace(-1.2, 1.2, side), np.linspace(0.01, 1.2, side)
        spent, found = seconds(lambda A=A, x=x, y=y: transients.pseudospectrum(A, x, y))
        places = [divmod(int(k), side) for k in rng.choice(side**2, sampled, replace=False)]

        def full(A: ndarray = A, x: ndarray = x, y: ndarray = y, at: Any = places) -> ndarray:
            z = [x[j] + 1j * y[i] for i, j in at]
            return np.array([np.linalg.svd(s * np.eye(n) - A, compute_uv=False)[-1] for s in z])

        longer, exact = seconds(full)
        values = np.array([found.sigma[i, j] for i, j in places])
        apart = float(np.abs(values / exact - 1).max())
        each, each_full = 1e3 * spent / side**2, 1e3 * longer / sampled
        good = good and each_full > SPEEDUP * each and apart < 1e-8
        print(f"  {name:32}{n:5}{each:9.2f}{each_full:9.1f}{each_full / each:9.0f}{apart:10.1e}")
    return good


def growth_table() -> None:
    print(f"\n{'largest power':34}{'n':>5}{'peak':>12}{'step':>12}{'seconds':>9}")
    for name, A in (
        ("transient demo", transient_demo(32)),
        ("coupled descent", coupled_descent(100)),
        ("margins of 1e-6", np.array([[1 - 1e-6, 0], [8e-6, 1 - 1e-6]])),
    ):
        spent, found = seconds(lambda A=A: transients.growth(A))
        print(f"  {name:32}{len(A):5}{found.peak:12.6g}{found.step:12}{spent:9.2f}")


def products_table(pairs: int = 500_000) -> bool:
    """A million entries: half a million systems ``[[a, 0], [c, b]]``, norms in closed form."""
    import torch

    import passband as pb

    generator = torch.Generator().manual_seed(0)
    a, b, c = (
        low + (high - low) * torch.rand(pairs, generator=generator)
        for low, high in ((0.3, 0.93), (0.2, 0.9), (0.0, 3.0))
    )
    zeros = torch.zeros(pairs)
    J = pb.UpdateJacobian(lambda s: (a * s[0], b * s[1] + c * s[0]), (zeros, zeros.clone()))
    spent, found = seconds(lambda: pb.transient(J))
    first, second, coupling = a.double(), b.double(), c.double()
    peak = 0.0
    for k in range(1, 60):
        top, bottom = first**k, second**k
        s = coupling * (top - bottom) / (first - second)
        sizes = ((top + bottom).square() + s**2).sqrt() + ((top - bottom).square() + s**2).sqrt()
        peak = max(peak, float(sizes.max()) / 2)
    good = abs(found.peak / peak - 1) < PEAK_ERROR
    print(f"\n{'a million entries':34}{'peak':>12}{'error':>10}{'products':>10}{'seconds':>9}")
    print(
        f"  {'pairs, one driving the other':32}{found.peak:12.6g}{found.peak / peak - 1:10.1e}"
        f"{found.products:10}{spent:9.1f}{'' if good else '  WRONG'}"
    )
    return good


if __name__ == "__main__":
    print(f"{platform.processor() or platform.machine()}, numpy {np.__version__}, one thread\n")
    results = [products_table(), kreiss_table(), pseudospectrum_table()]
    growth_table()
    assert all(results), "a cost above its limit"
