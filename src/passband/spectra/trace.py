"""The trace of an operator, with a confidence interval."""

import math
import time
from typing import Literal

import torch

from passband.operators import LinearOperator
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
from passband.spectra.start import symmetric_operator, watched
from passband.spectra.xtrace import xtrace

Method = Literal["hutch++", "xtrace", "hutchinson"]


def trace(
    H: LinearOperator,
    *,
    method: Method = "hutch++",
    max_matvecs: int = 60,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Return the trace of a symmetric operator with a confidence interval.

    - ``"hutch++"``: a third of the products finds a space ``Q`` that holds the large
      eigenvalues, a third gives the trace on it exactly, a third samples the rest,
      ``gᵀ(I − QQᵀ) A (I − QQᵀ)g`` for random signs ``g``. The interval is Student's, from the
      spread of these samples.
    - ``"xtrace"``: half of the products finds ``Q``, half multiplies it, and every sample is
      used for both by leaving it out in turn. More accurate where eigenvalues decay fast; its
      samples depend on each other, so its confidence is nominal: of intervals of 95 %, 82 to 85 %
      held the truth in 300 seeds where each eigenvalue is 0.9 of the one before.
    - ``"hutchinson"``: all products sample ``gᵀAg``. Best where eigenvalues hardly decay, and
      the one that needs no memory.

    With ``max_matvecs >= n`` the trace is exact.

    Args:
        H: The operator; divide by ``H.size`` for the mean curvature.
        method: How to spend the products.
        max_matvecs: Products to spend, at least 6; memory is a third as many vectors for
            Hutch++, one and a half times as many for XTrace.
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
        2021, algorithm 1; Epperly, Tropp and Webber, *XTrace: making the most of every sample in
        stochastic trace estimation*, SIAM J. Matrix Anal. Appl. 45, 2024, section 2.1.
    """
    symmetric_operator(H, name="trace")
    check_budget(max_matvecs, confidence)
    if method not in {"hutch++", "xtrace", "hutchinson"}:
        raise ValueError(f"`method` must be 'hutch++', 'xtrace' or 'hutchinson'; got {method!r}.")
    began, generator = time.perf_counter(), torch.Generator().manual_seed(seed)
    multiply = watched(H)
    if H.size <= max_matvecs:
        exact = math.fsum(dot(unit, multiply(unit)) for unit in units(H))
        return Estimate(exact, 0.0, confidence, H.size, time.perf_counter() - began)
    if method == "xtrace":
        samples = xtrace(H, multiply, products=max_matvecs, generator=generator)
        known, spent = 0.0, 2 * len(samples)
    else:
        third = max_matvecs // 3 if method == "hutch++" else 0
        held = sketch(H, multiply, products=third, generator=generator)
        known, samples = math.fsum(dot(q, multiply(q)) for q in held), list[float]()
        for _ in range(max_matvecs - third - len(held)):
            g = beside(held, signs(H, generator))
            samples.append(dot(g, multiply(g)))
        spent = max_matvecs
    mean, spread = mean_and_spread(samples)
    return Estimate(
        value=known + mean,
        error=half_width(spread, len(samples), confidence),
        confidence=confidence,
        matvecs=spent,
        seconds=time.perf_counter() - began,
        dependent=method == "xtrace",
    )
