"""Kreiss constants from below: one trajectory answers for every z.

``(zI − J)⁻¹ v = Σ_{k<T} z^{−k−1} Jᵏv + z^{−T} (zI − J)⁻¹ J^T v``, so the norm of the sum over
``1 + |z|^{−T} ‖J^T v‖`` is a lower bound of the resolvent norm, for unit v. Of a trajectory only
a sketch is kept, which tells where z is best by one Fourier transform a radius; there sweeps
with the adjoint turn v into the worst direction.
"""

import cmath
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from passband._shapes import Complex, Float
from passband.transients.matrix_free.singular import Multiply

_ROWS = 128
_RADII = 40
_BYTES = 2**27  # of a Fourier transform
_ROUNDS = 6
_REST = 0.005  # remainder, relative
_GAIN = 0.005  # relative, below which rounds end
_SECOND = 0.3  # of the best place, above which another place is tried
_APART = 0.3  # radians, or a factor of eight in |z| − 1


class Lower(NamedTuple):
    """A lower bound of the Kreiss constant and where it is attained; None at infinity."""

    value: float
    z: complex | None


class _Place(NamedTuple):
    value: float
    z: complex


@dataclass(frozen=True, slots=True, eq=False)
class _Trajectory:
    """What a sweep leaves: ``Σ z^{−k−1} x_k`` at one z, a sketch of all x_k, and the last norm."""

    sum: tuple[Tensor, Tensor | None]
    sketch: Complex[ndarray, "steps rows"]
    last: float


class Resolvent:
    """Sweeps that apply ``(zI − J)⁻¹`` up to a known remainder.

    Args:
        multiply: Product with ``J``, or with its adjoint.
        steps: Length T of the longest sweeps; those at one z end where the rest hardly matters.
        peak: How far a sweep grows.
        like: A vector of the operator's size, dtype and device.
        seed: Of the sketch.
    """

    def __init__(
        self, multiply: Multiply, *, steps: int, peak: float, like: Tensor, seed: int
    ) -> None:
        self._multiply, self._steps, self._peak = multiply, steps, max(peak, 1.0)
        self._rows = min(len(like), _ROWS)
        if len(like) <= _ROWS:
            self._row, self._sign = torch.arange(len(like)), torch.ones_like(like)
        else:
            generator = torch.Generator().manual_seed(seed)
            self._row = torch.randint(self._rows, (len(like),), generator=generator)
            signs = torch.randint(2, (len(like),), generator=generator, dtype=torch.int8)
            self._sign = (2 * signs - 1).to(like)
        self._row = self._row.to(like.device)

    def lower(self, v: Float[Tensor, " n"]) -> Lower:
        """Return the best lower bound found from a direction that is amplified."""
        first = self._sweep((v, None), None, self._steps)
        places = _places(first)
        best = Lower(1.0, None)
        for place in places:
            best = max(best, self._climbed(v, place), key=lambda lower: lower.value)
        return best

    def _climbed(self, v: Tensor, place: _Place) -> Lower:
        """Return the largest bound of a few rounds: the worst direction at z, then a better z."""
        best, z, last = Lower(1.0, None), place.z, 0.0
        u: tuple[Tensor, Tensor | None] = (v, None)
        for _ in range(_ROUNDS):
            r, steps = abs(z), self._needed(z)
            trajectory = self._sweep(u, z, steps)
            bound = (r - 1) * _norm(trajectory.sum) / (1 + r**-steps * trajectory.last)
            best = max(best, Lower(bound, z), key=lambda b: b.value)
            if not bound > last * (1 + _GAIN):  # not against 1, which the first may lie below
                break
            last = bound
            back = self._sweep(_unit(trajectory.sum), z.conjugate(), steps, adjoint=True)
            u, z = _unit(back.sum), _refined(trajectory, z)
        return best

    def _needed(self, z: complex) -> int:
        """Return the length of a sweep after which the remainder hardly matters at z."""
        return min(self._steps, math.ceil(math.log(self._peak / _REST) / math.log(abs(z))))

    def _sweep(
        self,
        x: tuple[Tensor, Tensor | None],
        z: complex | None,
        steps: int,
        *,
        adjoint: bool = False,
    ) -> _Trajectory:
        """Return the trajectory of real and imaginary parts, summed at z."""
        real, imaginary = x
        if z is not None and z.imag and imaginary is None:
            imaginary = torch.zeros_like(real)
        alive = imaginary is not None and bool(imaginary.any())
        sums = (torch.zeros_like(real), None if imaginary is None else torch.zeros_like(real))
        sketches: list[Tensor] = []
        factor = 1.0 + 0j if z is None else 1 / z
        for _ in range(steps):
            if not adjoint:
                sketches.append(self._sketch(real, imaginary if alive else None))
            if z is not None:
                sums[0].add_(real, alpha=factor.real)
                if imaginary is not None and sums[1] is not None:
                    sums[0].sub_(imaginary, alpha=factor.imag)
                    sums[1].add_(imaginary, alpha=factor.real).add_(real, alpha=factor.imag)
                factor /= z
            real = self._multiply(real, adjoint=adjoint)
            if alive and imaginary is not None:
                imaginary = self._multiply(imaginary, adjoint=adjoint)
        last = _norm((real, imaginary if alive else None))
        kept = torch.stack(sketches).cpu().numpy() if sketches else np.zeros((0, self._rows))
        return _Trajectory(sums, kept.astype(np.complex128), last)

    def _sketch(self, real: Tensor, imaginary: Tensor | None) -> Tensor:
        parts = [self._project(real)]
        parts.append(torch.zeros_like(parts[0]) if imaginary is None else self._project(imaginary))
        return torch.complex(*(part.double() for part in parts))

    def _project(self, x: Tensor) -> Tensor:
        return x.new_zeros(self._rows).index_add_(0, self._row, self._sign * x)


def _places(trajectory: _Trajectory) -> list[_Place]:
    """Return the best z of a trajectory, and a second one if it is nearly as good and elsewhere."""
    steps = len(trajectory.sketch)
    found: list[_Place] = []
    insets = np.geomspace(0.25 / steps, 10.0, _RADII)
    values, zs = _grid(trajectory, insets)
    if values.max() > 1:
        first = int(values.argmax())
    else:  # largest far out, where every direction has nearly 1: look where k steps count most
        k = int(np.linalg.norm(trajectory.sketch, axis=1).argmax())
        row = int(np.abs(np.log(insets * max(k, 1))).argmin())
        first = row * values.shape[1] + int(values[row].argmax())
    found.append(_Place(float(values.flat[first]), complex(zs.flat[first])))
    z = found[0].z
    turn = np.abs(np.abs(np.angle(zs)) - abs(cmath.phase(z)))
    stretch = np.abs(np.log((np.abs(zs) - 1) / (abs(z) - 1)))
    rest = np.where((turn > _APART) | (stretch > math.log(8)), values, 0.0)
    second = int(rest.argmax())
    if rest.flat[second] > max(_SECOND * found[0].value, 1.0):
        found.append(_Place(float(rest.flat[second]), complex(zs.flat[second])))
    return found


def _grid(
    trajectory: _Trajectory, insets: Float[ndarray, " r"]
) -> tuple[Float[ndarray, "r a"], Complex[ndarray, "r a"]]:
    """Return the estimated Kreiss function on circles, and the points."""
    sketch = trajectory.sketch
    steps, rows = sketch.shape
    angles = max(64, 2 ** math.ceil(math.log2(2 * steps)))
    half = angles // 2 + 1
    chunk = max(1, _BYTES // (16 * angles))
    values = np.empty((len(insets), half))
    for i, inset in enumerate(insets.tolist()):
        damped = sketch * np.exp(-np.arange(1, steps + 1) * math.log1p(inset))[:, None]
        power = np.zeros(half)
        for start in range(0, rows, chunk):
            part = np.fft.fft(damped[:, start : start + chunk], n=angles, axis=0)[:half]
            power += (np.abs(part) ** 2).sum(axis=1)
        values[i] = inset * np.sqrt(power) / (1 + (1 + inset) ** -steps * trajectory.last)
    angle = 2 * np.pi * np.arange(half) / angles
    zs = (1 + insets)[:, None] * np.exp(1j * angle)
    zs[:, 0], zs[:, -1] = 1 + insets, -1 - insets  # real, without rounding
    return values, zs


def _refined(trajectory: _Trajectory, z: complex) -> complex:
    """Return the best z near this one for the same trajectory, from its sketch."""
    steps = len(trajectory.sketch)
    k = np.arange(1, steps + 1)
    best, inset, angle = 0.0, abs(z) - 1, cmath.phase(z)
    spread, turn = 2.0, 0.0 if z.imag == 0 else min(0.5, 2 * inset)
    for _ in range(5):
        insets = inset * np.geomspace(1 / spread, spread, 7)
        angles = angle + (np.linspace(-turn, turn, 7) if turn else np.zeros(1))
        for x in insets.tolist():
            for t in angles.tolist():
                weights = np.exp(-k * (math.log1p(x) + 1j * t))
                size = float(np.linalg.norm(weights @ trajectory.sketch))
                value = x * size / (1 + (1 + x) ** -steps * trajectory.last)
                if value > best:
                    best, inset, angle = value, x, t
        spread, turn = spread**0.5, turn / 2
    return (
        complex(math.copysign(1 + inset, z.real)) if z.imag == 0 else cmath.rect(1 + inset, angle)
    )


def _norm(x: tuple[Tensor, Tensor | None]) -> float:
    return math.hypot(*(float(torch.linalg.vector_norm(part)) for part in x if part is not None))


def _unit(x: tuple[Tensor, Tensor | None]) -> tuple[Tensor, Tensor | None]:
    size = _norm(x)
    return (x[0] / size, None if x[1] is None else x[1] / size)
