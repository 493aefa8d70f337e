"""Maxima of the resolvent norm along a curve, by level sets: global, and two-sided.

On a curve ``t ↦ z(t)`` (a circle, or a line parallel to the axis) let ``σ(t)`` be the smallest
singular value of ``z(t)I − A``. All t at which a singular value equals a given level are
eigenvalues of a matrix of twice the size. So a local minimum ε of σ is tried at the level just
below: no crossing proves it global; crossings and the midpoints between them give a lower start.

References:
    Boyd and Balakrishnan, Systems Control Letters 15, 1990; Bruinsma and Steinbuch, 14, 1990.
"""

import math
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, final

import numpy as np
import scipy.linalg
from numpy import ndarray

from passband._shapes import Complex, Float, Num
from passband.transients.dense.matrices import ROUNDING, Time, norm
from passband.transients.dense.singular import smallest_singular_values
from passband.transients.dense.triangular import smallest_singular_values_triangular

_ROUGH = 0.1  # where a curve is first looked at
_TAIL = 4  # local maxima that the next curve starts from


class Peak(NamedTuple):
    """The largest resolvent norm on a curve is in ``[lower, upper]``; nearly attained at z."""

    lower: float
    upper: float
    z: complex


class Samples(NamedTuple):
    """Smallest singular values along a curve, roughly: parameters ``t`` and values ``sigma``."""

    t: Float[ndarray, " k"]
    sigma: Float[ndarray, " k"]


class Chord(NamedTuple):
    """Where, and how high, the Kreiss function can be under a chord of ``log M``."""

    x: float
    height: float


class Jet(NamedTuple):
    """The smallest singular value along a curve, with its first two derivatives."""

    value: float
    slope: float
    bend: float


class Curves(ABC):
    """Nested curves at distance ``x ≥ 0`` outside the boundary of stability.

    With ``M(x)`` the largest resolvent norm on the curve, ``log M`` is convex in the
    `coordinate` (Hadamard's three circles, or three lines), and ``K = sup x M(x)``.
    """

    time: ClassVar[Time]
    real: bool
    identity: ndarray
    norm: float
    triangle: ndarray
    eigenvalues: ndarray

    def __init__(self, A: Num[ndarray, "n n"], *, tolerance: float) -> None:
        self.A = A
        self.real = np.isrealobj(A)
        self.identity = np.eye(len(A))
        self.norm = norm(A)
        self.triangle = np.asarray(scipy.linalg.schur(A, output="complex")[0])
        self.eigenvalues = self.triangle.diagonal()
        self.tolerance = tolerance
        self._peaks: dict[float, Peak] = {}
        self._recent: list[float] = []

    @abstractmethod
    def point(self, x: float, t: Float[ndarray, " k"]) -> Complex[ndarray, " k"]:
        """Return ``z(t)``."""

    @abstractmethod
    def velocity(self, x: float, t: float) -> tuple[complex, complex]:
        """Return the first two derivatives of ``z(t)``."""

    @abstractmethod
    def starts(self, x: float) -> Float[ndarray, " k"]:
        """Return parameters spread over the whole curve, and those nearest to eigenvalues."""

    @abstractmethod
    def crossings(self, x: float, level: float, looked: "Samples") -> Float[ndarray, " k"]:
        """Return all parameters at which a singular value is ``level``, ascending."""

    @abstractmethod
    def midpoints(self, crossings: Float[ndarray, " k"]) -> Float[ndarray, " m"]:
        """Return a parameter between any two neighbouring crossings."""

    @abstractmethod
    def grid(self, outside: float) -> list[float]:
        """Return first distances, for a numerical radius (abscissa) ``outside``."""

    @abstractmethod
    def tail(self, x: float, outside: float) -> float:
        """Return a bound of the Kreiss function from x on; decreasing in x."""

    @abstractmethod
    def tail_start(self, height: float, outside: float) -> float:
        """Return the x at which `tail` comes down to ``height``."""

    @abstractmethod
    def coordinate(self, x: float) -> float:
        """Return the coordinate in which ``log M`` is convex."""

    @abstractmethod
    def steepest(self, slope: float, depth: float) -> float:
        """Return where ``(x + depth) e^{slope · coordinate}`` is largest."""

    @final
    def chord(self, x1: float, M1: float, x2: float, M2: float, *, depth: float = 0.0) -> Chord:
        """Return the maximum over ``[x1, x2]`` of ``(x + depth) M(x)``, ``log M`` on its chord."""
        if not math.isfinite(M1 * M2):
            return Chord(math.sqrt(x1 * x2) if x1 > 0 else x2 / 8, math.inf)
        s1, s2 = self.coordinate(x1), self.coordinate(x2)
        slope = (math.log(M2) - math.log(M1)) / (s2 - s1)
        x = min(max(self.steepest(slope, depth), x1), x2)
        height = (x + depth) * math.exp(math.log(M1) + slope * (self.coordinate(x) - s1))
        return Chord(x, height)

    @final
    def rounding(self, z: complex) -> float:
        """Return a bound of the absolute error of a computed singular value of ``zI − A``."""
        return 2 * math.sqrt(len(self.A)) * ROUNDING * (abs(z) + self.norm)

    @final
    def smallest(self, x: float, t: Float[ndarray, " k"]) -> Float[ndarray, " k"]:
        """Return ``σ(t)`` on the curve at distance x."""
        return smallest_singular_values(self.A, self.point(x, t))

    @final
    def maximum(self, x: float) -> Peak:
        """Return the largest resolvent norm on the curve at distance x."""
        if x not in self._peaks:
            self._peaks[x] = self._maximum(x)
        return self._peaks[x]

    @property
    @final
    def evaluations(self) -> int:
        """How many curves were examined."""
        return len(self._peaks)

    def _maximum(self, x: float) -> Peak:
        t = np.concatenate([self.starts(x), np.array(self._recent)])
        sigma = smallest_singular_values_triangular(self.triangle, self.point(x, t), rtol=_ROUGH)
        looked = Samples(t, sigma)
        best, lowest = float(t[sigma.argmin()]), math.inf
        while True:
            best, lowest = self._descend(x, best, lowest)
            z = complex(self.point(x, np.array([best]))[0])
            error = self.rounding(z)
            level = lowest - max(self.tolerance * lowest, 2 * error)
            peak = Peak(1 / (lowest + error), math.inf, z)
            if not level > error:  # the singular value is all rounding
                return peak
            crossings = self.crossings(x, level, looked)
            if len(crossings):
                t = np.concatenate([crossings, self.midpoints(crossings)])
                sigma = self.smallest(x, t)
                if sigma.min() < level:
                    best, lowest = float(t[sigma.argmin()]), float(sigma.min())
                    continue
            self._recent = [best, *self._recent][:_TAIL]
            return Peak(peak.lower, 1 / (level - error), z)

    def _descend(self, x: float, t: float, value: float) -> tuple[float, float]:
        """Return the local minimum of σ that Newton's method finds from t."""
        jet = self.jet(x, t)
        reach = math.inf
        for _ in range(12):
            if not jet.bend > 0:  # near a maximum of σ, or a crossing of two: go downhill
                step = -math.copysign(jet.value, jet.slope) / max(abs(jet.slope), 1e-300)
                step = math.copysign(min(abs(step), reach, self.norm + x), step)
            else:
                step = math.copysign(min(abs(jet.slope / jet.bend), reach), -jet.slope)
            if abs(jet.slope * step) <= 0.1 * self.tolerance * jet.value:
                break
            new = self.jet(x, t + step)
            if new.value < jet.value:
                t, jet = t + step, new
            else:
                reach = abs(step) / 4
        return t, min(jet.value, value)

    def jet(self, x: float, t: float) -> Jet:
        """Return σ and its first two derivatives along the curve.

        Perturbation theory of the Hermitian matrix ``[[0, Z], [Z*, 0]]``, ``Z = zI − A``.
        """
        z = self.point(x, np.array([t]))[0]
        dz, ddz = self.velocity(x, t)
        u, s, vh = np.linalg.svd(z * self.identity - self.A)
        across, back = u.conj().T @ vh[-1].conj(), (vh @ u[:, -1])
        a, b = dz * across, np.conj(dz) * back
        gaps = np.maximum(s[:-1] - s[-1], 1e-14 * s[0] + 1e-300)
        repel = np.abs(a - b) ** 2 / (s + s[-1] + 1e-300)
        attract = np.abs(a[:-1] + b[:-1]) ** 2 / gaps
        bend = float((ddz * across[-1]).real) + (float(repel.sum()) - float(attract.sum())) / 2
        return Jet(float(s[-1]), float(a[-1].real), bend)
