"""Estimates from random signs, and what they share."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from typing_extensions import override

from passband.operators import LinearOperator
from passband.problem.numbers import check_numbers
from passband.spectra.krylov import coefficients, norm, without
from passband.spectra.start import random_direction


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
        dependent: Whether the samples depend on each other. Then the confidence is nominal: it
            holds for independent ones, and less often than that does the interval cover the truth.
    """

    value: float
    error: float
    confidence: float
    matvecs: int
    seconds: float
    dependent: bool = False

    def __float__(self) -> float:
        return self.value

    @override
    def __repr__(self) -> str:
        confidence = f"{'nominal ' * self.dependent}{100 * self.confidence:.3g} % confidence"
        return (
            f"{self.value:.6g} ± {self.error:.2g} ({confidence}, "
            f"{self.matvecs} products, {self.seconds:.2g} s)"
        )


def check_budget(max_matvecs: int, confidence: float) -> None:
    """Refuse too few products or an impossible confidence."""
    check_numbers(max_matvecs=max_matvecs, confidence=confidence)
    if not max_matvecs >= 6:
        raise ValueError(f"`max_matvecs` must be at least 6; got {max_matvecs!r}.")
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must lie in (0, 1); got {confidence!r}.")


def signs(H: LinearOperator, generator: torch.Generator) -> Tensor:
    """Return a vector of random signs, the same on every device."""
    return random_direction(H, generator).sign()


def units(H: LinearOperator) -> Sequence[Tensor]:
    """Return the unit vectors, for operators small enough to be done exactly."""
    return list(torch.eye(H.size, dtype=H.dtype, device=H.device))


def sketch(
    H: LinearOperator,
    multiply: Callable[[Tensor], Tensor],
    *,
    products: int,
    generator: torch.Generator,
) -> Tensor:
    """Return orthonormal rows whose span holds most of ``H``, shape ``(at most products, n)``."""
    held = torch.zeros(0, H.size, dtype=H.dtype, device=H.device)
    for _ in range(products):
        w = multiply(signs(H, generator))
        rest = beside(held, w)
        if norm(rest) > 1e-3 * torch.finfo(H.dtype).eps ** 0.5 * norm(w):  # else it was held
            held = torch.cat([held, (rest / norm(rest))[None]])
    return held


def beside(held: Tensor, w: Tensor) -> Tensor:
    """Return the part of a vector that is orthogonal to all rows."""
    for _ in range(2):
        if len(held):
            w = without(w, coefficients(held, w), held)
    return w


def dot(v: Tensor, w: Tensor) -> float:
    """Return ``vᵀw``, summed pairwise."""
    return float((v * w).sum())


def half_width(spread: float, samples: int, confidence: float) -> float:
    """Return half of Student's interval for a mean with this standard error."""
    from scipy.stats import t

    return float(t.ppf((1 + confidence) / 2, samples - 1)) * spread


def mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of independent samples and its standard error."""
    samples = torch.tensor(values, dtype=torch.float64)
    return float(samples.mean()), float(samples.std()) / math.sqrt(len(values))
