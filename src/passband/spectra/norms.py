"""How large an operator is, and over how many directions it spreads."""

import math
import time

import torch

from passband.operators import LinearOperator
from passband.spectra.krylov import norm
from passband.spectra.sampling import (
    Estimate,
    beside,
    check_budget,
    dot,
    half_width,
    mean_and_spread,
    signs,
    sketch,
    units,
)
from passband.spectra.start import any_operator, symmetric_operator, watched


def frobenius_norm(
    H: LinearOperator, *, max_matvecs: int = 60, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Return ``‖A‖_F``, for a symmetric operator ``√Σ λᵢ²``, with a confidence interval.

    ``‖A‖_F² = ‖AQ‖_F² + E ‖A (I − QQᵀ) g‖²`` for random signs ``g`` and a space ``Q`` that holds
    what is large, as in `trace`. The interval is Student's. Exact with ``max_matvecs >= n``.

    Args:
        H: The operator, symmetric or not.
        max_matvecs: Products to spend, at least 6; memory is a third as many vectors.
        confidence: Of the interval, in (0, 1).
        seed: Seeds the samples.

    Raises:
        ValueError: An option out of range.

    Example:
        >>> from passband.operators import MatrixOperator
        >>> frobenius_norm(MatrixOperator(torch.tensor([[0.0, 3.0], [4.0, 0.0]]))).value
        5.0

    References:
        Meyer, Musco, Musco and Woodruff, *Hutch++*, SOSA 2021, with ``AᵀA`` for ``A``.
    """
    any_operator(H, name="frobenius_norm")
    check_budget(max_matvecs, confidence)
    began, spent = time.perf_counter(), H.matvecs
    if H.size <= max_matvecs:
        multiply = watched(H)
        square, spread, samples = math.fsum(norm(multiply(u)) ** 2 for u in units(H)), 0.0, 2
    else:
        _, (square, spread), _, samples = _moments(H, max_matvecs, seed)
    value = math.sqrt(square)
    half = half_width(spread, samples, confidence) / (2 * value) if spread else 0.0
    seconds = time.perf_counter() - began
    return Estimate(value, half, confidence, H.matvecs - spent, seconds)


def effective_rank(
    H: LinearOperator, *, max_matvecs: int = 60, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Return ``(tr A)² / ‖A‖_F²``, over how many eigenvalues the curvature is spread.

    ``r`` equal eigenvalues have rank ``r``; unequal or negative ones count less. Both traces come
    from the same samples, and so does the interval, to first order. Exact with
    ``max_matvecs >= n``.

    Args:
        H: A symmetric operator. Take `GaussNewton` where negative eigenvalues should not count
            against the others.
        max_matvecs: Products to spend, at least 6; memory is a third as many vectors.
        confidence: Of the interval, in (0, 1).
        seed: Seeds the samples.

    Raises:
        ValueError: An operator that is not symmetric or is zero, or an option out of range.

    Example:
        >>> from passband.operators import MatrixOperator
        >>> effective_rank(MatrixOperator(torch.diag(torch.tensor([2.0, 2.0, 0.0])))).value
        2.0

    References:
        Roy and Vetterli, *The effective rank*, EUSIPCO 2007, has the kin of it by entropy.
    """
    symmetric_operator(H, name="effective_rank")
    check_budget(max_matvecs, confidence)
    began, spent = time.perf_counter(), H.matvecs
    if H.size <= max_matvecs:
        columns = torch.stack([watched(H)(unit) for unit in units(H)]).double()
        mean, square = float(columns.trace()), float((columns**2).sum())
        first, second, joint, samples = (mean, 0.0), (square, 0.0), 0.0, 2
    else:
        first, second, joint, samples = _moments(H, max_matvecs, seed)
    if not second[0] > 0:
        raise ValueError(f"`effective_rank` needs an operator that is not zero; {H} is.")
    value = first[0] ** 2 / second[0]
    # variance of t²/s to first order, t and s being correlated
    a, b = 2 * first[0] / second[0], -value / second[0]
    variance = (a * first[1]) ** 2 + (b * second[1]) ** 2 + 2 * a * b * joint
    half = half_width(math.sqrt(max(0.0, variance)), samples, confidence) if variance > 0 else 0.0
    return Estimate(value, half, confidence, H.matvecs - spent, time.perf_counter() - began)


def _moments(
    H: LinearOperator, max_matvecs: int, seed: int
) -> tuple[tuple[float, float], tuple[float, float], float, int]:
    """Return ``tr A`` and ``‖A‖_F²``, each with its standard error, their covariance, samples."""
    multiply, generator = watched(H), torch.Generator().manual_seed(seed)
    third = max_matvecs // 3
    held = sketch(H, multiply, products=third, generator=generator)
    known = [(dot(q, w), norm(w) ** 2) for q, w in ((q, multiply(q)) for q in held)]
    drawn: list[tuple[float, float]] = []
    for _ in range(max_matvecs - third - len(held)):
        g = beside(held, signs(H, generator))
        w = multiply(g)
        drawn.append((dot(g, w), norm(w) ** 2))
    (mean, off), (square, wide) = (mean_and_spread(part) for part in zip(*drawn, strict=True))
    both = torch.tensor(drawn, dtype=torch.float64).T
    joint = float(torch.cov(both)[0, 1]) / len(drawn)
    exact = [math.fsum(part) for part in zip(*known, strict=True)] or [0.0, 0.0]
    return (exact[0] + mean, off), (exact[1] + square, wide), joint, len(drawn)
