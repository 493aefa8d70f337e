"""Norms of all powers of the comparison matrix: in closed form, so also after 1e12 steps."""

import math

import numpy as np
from numpy import ndarray

from passband._shapes import Float
from passband.transients.blocks.closed_form import Margins

_SEEN = 4096  # powers looked at one by one
_OCTAVE = 64  # powers looked at an octave beyond
_FAR = 2.0**50


def power_norms(margins: Margins, k: Float[ndarray, " m"]) -> Float[ndarray, " m"]:
    """Return ``‖Nᵏ‖`` for whole numbers k, also very large ones.

    With the eigenvalues ``λ₁ ≥ λ₂`` of N and ``D = (λ₁ᵏ − λ₂ᵏ) / (λ₁ − λ₂)`` it is
    ``Nᵏ = ½(λ₁ᵏ + λ₂ᵏ) I + D (N − ½(a + b) I)``.
    """
    alpha, beta, c, e = margins
    slow, fast = margins.eigenmargins
    first = np.exp(k * np.log1p(-slow)) if slow < 1 else (k == 0).astype(np.float64)
    ratio = (1 - fast) / (1 - slow) if slow < 1 else 0.0
    spread = fast - slow
    if spread <= 0:
        before = np.exp((k - 1) * np.log1p(-slow)) if slow < 1 else (k == 1).astype(np.float64)
        second, divided = first, k * before
    elif ratio > 0:
        change = np.expm1(k * math.log1p(-spread / (1 - slow)))
        second, divided = first * (1 + change), -first * change / spread
    else:
        second = first * ratio**k
        divided = (first - second) / spread
    together = np.hypot(first + second, (c - e) * divided)
    apart = math.hypot(beta - alpha, c + e) * np.abs(divided)
    return (together + apart) / 2


def peak_of(margins: Margins) -> float:
    """Return ``max_k ‖Nᵏ‖``, ``inf`` if the powers grow without bound."""
    slow, fast = margins.eigenmargins
    if min(margins.alpha, margins.beta) < 0 or slow < 0:
        return math.inf
    if fast == 0:
        return math.inf if margins.c + margins.e > 0 else 1.0
    k = _some_powers(40 / (slow or fast))
    best = float(k[power_norms(margins, k).argmax()])
    window = best / _OCTAVE + 2
    near = np.unique(np.round(np.linspace(max(best - window, 0), best + window, 2 * _SEEN)))
    return float(power_norms(margins, near).max())


def steps_of(margins: Margins, eps: float) -> float:
    """Return the first k from which on ``‖Nᵏ‖ ≤ eps``, ``inf`` if there is none."""
    slow, _ = margins.eigenmargins
    if not slow > 0:
        return math.inf
    k = _some_powers((40 + abs(math.log(eps)) + math.log(peak_of(margins))) / slow)
    above = np.flatnonzero(power_norms(margins, k) > eps)
    if not above.size:
        return 0.0
    low, high = int(k[above[-1]]), int(k[above[-1] + 1])
    while high - low > 1:  # from here on the norm decreases, at least over two steps
        middle = (low + high) // 2
        pair = power_norms(margins, np.array([middle, middle + 1], dtype=np.float64))
        low, high = (middle, high) if pair.max() > eps else (low, middle)
    return float(low + 1)


def trust_of(margins: Margins) -> float:
    """Return ``max ρ(1−ρ) / (4 M²)`` over ρ, with ``‖Nᵏ‖ ≤ M ρᵏ``; 0 if N does not decay."""
    slow, _ = margins.eigenmargins
    if not slow > 0:
        return 0.0
    insets = (slow * np.linspace(0.02, 0.98, 49)).tolist()
    return max((1 - s) * s / (4 * peak_of(margins.slower(s)) ** 2) for s in insets)


def _some_powers(horizon: float) -> Float[ndarray, " m"]:
    """Return whole numbers up to a horizon, all the small ones and some in every octave."""
    horizon = min(horizon, _FAR)
    octaves = max(0.0, math.log2(max(horizon, 1.0) / _SEEN)) + 1
    beyond = _SEEN * np.exp2(np.arange(0, octaves + 1 / _OCTAVE, 1 / _OCTAVE))
    return np.unique(np.round(np.concatenate([np.arange(_SEEN), beyond])))
