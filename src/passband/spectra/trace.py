"""The trace of an operator, with a confidence interval."""

import math
import time
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from typing_extensions import override

from passband.operators import LinearOperator
from passband.spectra.krylov import coefficients, combine, norm
from passband.spectra.start import random_direction, symmetric_operator, watched


@final
@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that was estimated from samples.

    Attributes:
        value: The estimate.
        error: Half the width of its confidence interval; 0 where it is exact up to rounding.
        confidence: Probability that the interval covers the truth.
        matvecs: Products that were spent.
        seconds: Wall-clock time.
    """

    value: float
    error: float
    confidence: float
    matvecs: int
    seconds: float

    def __float__(self) -> float:
        return self.value

    @override
    def __repr__(self) -> str:
        return (
            f"{self.value:.6g} ± {self.error:.2g} ({100 * self.confidence:.3g} % confidence, "
            f"{self.matvecs} products, {self.seconds:.2g} s)"
        )


def trace(
    H: LinearOperator, *, max_matvecs: int = 60, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Return the trace of a symmetric operator with a confidence interval.

    Hutch++: a third of the products finds a space ``Q`` that holds the large eigenvalues, a third
    gives the trace on it exactly, a third samples the rest, ``gᵀ(I − QQᵀ) A (I − QQᵀ)g`` for
    random signs ``g``. The interval is Student's, from the spread of these samples. With
    ``max_matvecs >= n`` the trace is exact.

    Args:
        H: The operator; divide by ``H.size`` for the mean curvature.
        max_matvecs: Products to spend, at least 6; memory is a third as many vectors.
        confidence: Of the interval, in (0, 1).
        seed: Seeds the samples.

    Raises:
        ValueError: An operator that is not symmetric, or an option out of range.

    Example:
        >>> from passband.operators import MatrixOperator
        >>> trace(MatrixOperator(torch.diag(torch.tensor([1.0, 2.0, 3.0])))).value
        6.0

    References:
        Meyer, Musco, Musco and Woodruff, *Hutch++: optimal stochastic trace estimation*, SOSA
        2021, algorithm 1.
    """
    symmetric_operator(H, name="trace")
    if not max_matvecs >= 6:
        raise ValueError(f"`max_matvecs` must be at least 6; got {max_matvecs!r}.")
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must lie in (0, 1); got {confidence!r}.")
    began, generator = time.perf_counter(), torch.Generator().manual_seed(seed)
    multiply = watched(H)
    if H.size <= max_matvecs:
        unit = torch.zeros(H.size, dtype=H.dtype, device=H.device)
        exact = math.fsum(float(multiply(_unit(unit, i))[i]) for i in range(H.size))
        return Estimate(exact, 0.0, confidence, H.size, time.perf_counter() - began)
    third = max_matvecs // 3
    held = torch.zeros(0, H.size, dtype=H.dtype, device=H.device)
    for _ in range(third):
        w = multiply(_signs(H, generator))
        beside = _beside(held, w)
        if norm(beside) > 1e-3 * torch.finfo(H.dtype).eps ** 0.5 * norm(w):  # else it was
            held = torch.cat([held, (beside / norm(beside))[None]])
    on_space = math.fsum(_dot(q, multiply(q)) for q in held)
    rest: list[float] = []
    for _ in range(max_matvecs - third - len(held)):
        g = _beside(held, _signs(H, generator))
        rest.append(_dot(g, multiply(g)))
    samples = torch.tensor(rest, dtype=torch.float64)
    spread = float(samples.std()) / math.sqrt(len(rest))
    return Estimate(
        value=on_space + float(samples.mean()),
        error=_student(confidence, len(rest) - 1) * spread,
        confidence=confidence,
        matvecs=third + len(held) + len(rest),
        seconds=time.perf_counter() - began,
    )


def _unit(v: Tensor, i: int) -> Tensor:
    v.zero_()[i] = 1
    return v


def _signs(H: LinearOperator, generator: torch.Generator) -> Tensor:
    return random_direction(H, generator).sign()


def _beside(held: Tensor, w: Tensor) -> Tensor:
    for _ in range(2):
        if len(held):
            w = w - combine(coefficients(held, w), held)
    return w


def _dot(v: Tensor, w: Tensor) -> float:
    return float((v * w).sum())


def _student(confidence: float, freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + confidence) / 2, freedom))
