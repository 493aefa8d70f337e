"""The norms of all powers of a matrix: the largest, the last above a level, and the curve."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from passband._shapes import Float, Num
from passband.transients.dense.matrices import norm
from passband.transients.dense.powers import Alive, alive_after, everything

_LEVELS = 62  # powers up to 2⁶²
_MOST, _FEWEST, _WORK = 3000, 100, 3e6  # nodes of a search, by the size of the matrix
_COARSER = (1e-5, 1e-2, 0.3)  # accuracies to fall back to
_LONG = 10  # octaves after which a motion on the circle will not surprise any more
_UNIMODULAR = 1e-9
_OVER, _BEYOND = 1e-3, 1e6  # norms at which a curve ends
_SHOWN = 20  # octaves of a curve that does not end


class Curve(NamedTuple):
    """Norms of some powers: ``norms[i] = ‖A^k[i]‖``."""

    k: Float[ndarray, " m"]
    norms: Float[ndarray, " m"]


def curve(A: Num[ndarray, "n n"], *, bounded: bool) -> Curve:
    """Return the norms of eight powers an octave, until they are small (unbounded: large)."""
    ks, norms = [0], [1.0]
    for level, alive in _octaves(A):
        parts = min(8, 2**level)
        power = alive.tree.square(level) @ alive.factor
        stride = alive.tree.square(level - parts.bit_length() + 1)
        for part in range(parts):
            ks.append(2**level + part * 2**level // parts)
            norms.append(norm(power))
            power = stride @ power
        highest = max(norms[-parts:])
        if highest < _OVER or not highest < (math.inf if bounded else _BEYOND):
            break
        if (not bounded and level > _SHOWN) or (level > 3 and _wandering(alive) is not None):
            break
    return Curve(np.array(ks, dtype=np.float64), np.array(norms))


class Largest(NamedTuple):
    """The largest norm of a power: which, its norm, and a bound of all norms."""

    k: int
    norm: float
    bound: float


def largest_power(A: Num[ndarray, "n n"], *, among: Curve, rtol: float) -> Largest:
    """Return the largest norm of a power of a matrix whose powers stay bounded.

    The best of some powers is climbed from; then all others are excluded, octave by octave.
    Slow dynamics are flat at the top, so the accuracy of the exclusion is lowered where the
    work would be large; the bound says by how much. The eigenvectors bound all later powers: a
    lightly damped rotation returns for long, and no search would come to its end.
    """
    top = int(np.argmax(among.norms))
    rounding = np.finfo(np.float64).eps * len(A) * among.k[top]
    best = int(np.flatnonzero(among.norms >= among.norms[top] * (1 - rounding))[0])
    found = _climbed(A, int(among.k[best]), float(among.norms[best]))
    ceiling = found.norm
    for level, alive in _octaves(A):
        root = alive.range(level)
        if not math.isfinite(root.norm):
            return found._replace(bound=math.inf)
        if root.norm + alive.tree.error <= 1:  # the powers from here on repeat those before
            return found._replace(bound=ceiling)
        last, later = _wandering(alive), alive.bound(level)
        if last is not None and (last == 1 or level >= _LONG):
            later = min(later, root.norm * last + alive.tree.error)
            return found._replace(bound=max(ceiling, later))
        if later <= found.norm * (1 + rtol) or (alive.tree.left <= 0 and math.isfinite(later)):
            return found._replace(bound=max(ceiling, later))
        upper = math.inf
        for accuracy in (rtol, *_COARSER) if last is None else _COARSER[-1:]:
            node, upper = alive.tree.largest(root, found.norm, accuracy)
            if node.norm > found.norm:
                found = _climbed(A, node.start, node.norm)
            if upper <= found.norm * (1 + accuracy):
                break
        ceiling = max(ceiling, min(upper, max(later, found.norm)))
    return found._replace(bound=math.inf)


def settled_after(A: Num[ndarray, "n n"], eps: float, *, bound: float) -> int | None:
    """Return the first k from which on all norms are at most ``eps``; None if there is none."""
    octaves: list[tuple[int, Alive]] = []
    for level, alive in _octaves(A):
        if alive.range(level).norm * bound + alive.tree.error <= eps:
            break
        if _wandering(alive) is not None:
            return None
        octaves.append((level, alive))
    else:
        return None
    for level, alive in reversed(octaves):
        last = alive.tree.last_above(alive.range(level), eps)
        if last is not None:
            return last + 1
    return 0 if eps >= 1 else 1


def _octaves(A: Num[ndarray, "n n"]) -> Iterator[tuple[int, Alive]]:
    """Yield what is alive from the power ``2^level`` on, level by level."""
    nodes = int(min(_MOST, max(_FEWEST, _WORK / A.size)))
    alive = everything(A, nodes=nodes)
    for level in range(_LEVELS):
        alive = alive_after(alive, level)
        yield level, alive


def _wandering(alive: Alive) -> float | None:
    """Return a bound of later norms over this one, if all that is left stays on the circle."""
    M = alive.tree.A
    values, vectors = np.linalg.eig(M)
    if not (np.abs(values) >= 1 - _UNIMODULAR).all():
        return None
    if np.linalg.norm(M - values[0] * np.eye(len(M))) <= _UNIMODULAR:  # one eigenvalue
        return 1.0
    return float(np.linalg.cond(vectors))


def _climbed(A: Num[ndarray, "n n"], k: int, size: float) -> Largest:
    """Return the local maximum next to a power."""
    found, stride = Largest(k, size, size), max(1, k // 16)
    while stride > 0:
        around = [k for k in (found.k - stride, found.k + stride) if k >= 0]
        norms = [norm(np.linalg.matrix_power(A, k)) for k in around]
        best = int(np.argmax(norms))
        rounding = np.finfo(np.float64).eps * len(A) * around[best]  # of a power
        if norms[best] > found.norm * (1 + rounding):
            found = Largest(around[best], norms[best], norms[best])
        else:
            stride //= 2
    return found
