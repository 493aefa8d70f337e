"""The whole answer about a training step."""

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from passband.errors import NonFiniteError, UnconvergedWarning
from passband.operators import LinearOperator, UpdateJacobian
from passband.problem.numbers import check_numbers
from passband.spectra.multipliers import multipliers
from passband.transients.blocks import Comparison
from passband.transients.dense import Kreiss, growth, kreiss
from passband.transients.dense.matrices import norm
from passband.transients.matrix_free.parts import (
    block_norms,
    parts_of,
    shares_of,
    worth_comparing,
)
from passband.transients.matrix_free.powers import Peak, Powers
from passband.transients.matrix_free.resolvent import Lower, Resolvent
from passband.transients.matrix_free.result import Transient
from passband.transients.matrix_free.small import SMALL, Written, norms_of_powers

_LEVEL = 1e-3
_KREISS_RTOL = 1e-3
_MODES, _RADIUS_RTOL, _RADIUS_MATVECS, _RADIUS_VECTORS = 5, 1e-5, 300, 24
_TAIL = 4  # lengths of a sweep in units of the time of the peak


def transient(
    J: LinearOperator,
    *,
    steps: int = 1000,
    rtol: float = 0.01,
    seed: int = 0,
    parts: Mapping[str, slice] | Sequence[int] | None = None,
    dense: bool | None = None,
) -> Transient:
    """Return what eigenvalues of a training step do not show: growth, Kreiss constant, worst start.

    The norm is the Euclidean norm of the whole state, so the units of its parts matter: keep
    momentum buffers as displacements, ``lr · v``, and say which norm was used.

    Up to 64 entries the matrix is formed, n products, and everything is exact to rounding.
    Beyond, the powers 1, 2, 4, … are looked at until one is below 0.9 or is the last of
    ``steps``, by up to 4 pairs of sweeps with J and Jᵀ each; then the largest, and those nearly
    as large, by up to 28, the winner twice. With the largest at step k that is about
    ``8 · horizon + 110 · k`` products, more where many are as large. The Kreiss constant takes a
    sweep of ``max(horizon, 4 k)`` and up to 6 rounds of ``4 T`` products at each of two places z,
    ``T ≈ (5 + ln peak) / ln |z|``; the radius up to 300; the norms of m × m blocks up to 40
    each. Memory is about thirty vectors, and up to 48 more for the radius, or 1 GiB if that is
    more. From 65 to 1,024 entries the matrix is written out once n products are spent, so that
    no more than 2 n are.

    Args:
        J: The operator: an `UpdateJacobian`, or any other real one with an adjoint.
        steps: The largest power to look at.
        rtol: Relative accuracy of the peak.
        seed: Seeds the random directions; the same on every device.
        parts: Sizes or slices of the coupled systems. The top-level entries of the state, if
            not given.
        dense: Whether to form the matrix; up to 64 entries, if not given.

    Returns:
        Radius, growth, Kreiss constant and the worst perturbation, with what they cost.

    Raises:
        TypeError: If J is not an operator.
        ValueError: If a number is out of range or ``parts`` do not divide the state.
        NonFiniteError: If a product is not finite.

    Example:
        Two modes that halve every step, one driven by the other with strength 4.

        >>> from passband.operators import MatrixOperator
        >>> t = transient(MatrixOperator(torch.tensor([[0.5, 0.0], [4.0, 0.5]])))
        >>> round(t.radius, 4), t.step, round(t.peak, 4)
        (0.5, 1, 4.0616)

    References:
        Trefethen and Embree, *Spectra and Pseudospectra*, Princeton 2005, chapter 14; adjoint
        looping: Farrell and Ioannou, J. Atmos. Sci. 53, 1996.
    """
    _check(J, steps=steps, rtol=rtol)
    began, before = time.perf_counter(), J.matvecs
    places = parts_of(J, parts)
    small = J.size <= SMALL if dense is None else dense
    cheap = Written(J)
    found = _formed(J, steps=steps) if small else _swept(cheap, steps=steps, rtol=rtol, seed=seed)
    blocks = None
    asked = parts is not None
    if (asked or not small) and worth_comparing(places, asked=asked) and not found.unstable:
        blocks = Comparison(block_norms(cheap.multiply, places, found.peak.direction, seed=seed))
    constant, notes = found.kreiss, list[str]()
    if small and constant.note:
        notes.append(f"{constant.note[0].upper()}{constant.note[1:]}.")
    if blocks is not None and not small and blocks.radius < 1:
        upper = min(constant.upper, max(blocks.kreiss, constant.lower))
        constant = Kreiss(constant.lower, upper, constant.z, "discrete")
    peak = found.peak
    if not peak.settled and not found.unstable:
        notes.append(
            f"The power at the horizon of {peak.horizon:,} steps has not settled: a later one may "
            "be larger. Raise `steps`."
        )
    return Transient(
        radius=found.radius,
        radius_error=found.radius_error,
        radius_bound=found.radius_bound,
        peak=peak.value,
        peak_error=peak.error,
        step=peak.step,
        horizon=max(peak.horizon, peak.step),
        settled=peak.settled,
        settling=found.settling,
        curve=found.curve,
        direction=peak.direction,
        response=peak.response,
        kreiss=constant,
        exact=small,
        parts=shares_of(places.items(), peak.direction, peak.response),
        leaves=shares_of(_leaves(J), peak.direction, peak.response),
        blocks=blocks,
        movement=J.movement if isinstance(J, UpdateJacobian) else None,
        products=J.matvecs - before,
        seconds=time.perf_counter() - began,
        notes=tuple(notes),
    )


class _Found(NamedTuple):
    radius: float
    radius_error: float
    unstable: bool
    peak: Peak
    curve: Tensor
    kreiss: Kreiss
    radius_bound: float
    settling: float


def _swept(J: LinearOperator, *, steps: int, rtol: float, seed: int) -> _Found:
    """Answer from products alone."""
    powers = Powers(J, J.multiply, steps=steps, seed=seed)
    peak = powers.peak(rtol=rtol)
    bound = powers.radius_bound()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnconvergedWarning)  # the error says it
        values = multipliers(
            J,
            k=min(_MODES, J.size),
            rtol=_RADIUS_RTOL,
            start=powers.late(),
            seed=seed,
            max_matvecs=_RADIUS_MATVECS,
            memory=max(2**30, 2 * _RADIUS_VECTORS * J.size * J.dtype.itemsize),
        )
    radius, error = float(values.values[0].abs()), float(values.errors[0])
    unstable = radius - error > 1
    if not unstable and radius + error > bound and peak.settled:
        radius = min(radius, bound)
        error = max(bound - radius, float(values.residuals[0]))
    curve = powers.curve[: max(peak.horizon, peak.step) + 1]
    if unstable:
        z = complex(values.values[0])
        return _Found(radius, error, True, peak, curve, _infinite(z), bound, math.inf)
    lower = Lower(1.0, None)
    if peak.step > 0:
        length = min(max(peak.horizon, _TAIL * peak.step + 8), max(steps, peak.horizon))
        resolvent = Resolvent(
            J.multiply, steps=length, peak=peak.value, like=peak.direction, seed=seed
        )
        lower = resolvent.lower(peak.direction)
    upper = max(peak.value + peak.error, lower.value) if peak.settled else math.inf
    constant = Kreiss(lower.value, upper, lower.z, "discrete")
    settling = _settling(curve, radius)
    return _Found(radius, error, False, peak, curve, constant, bound, settling)


def _formed(J: LinearOperator, *, steps: int) -> _Found:
    """Answer from the matrix, up to rounding."""
    A = J.dense().double().cpu().numpy()
    if not np.isfinite(A).all():
        raise NonFiniteError(f"a product with {J} is not finite.")
    values = np.linalg.eigvals(A)
    radius = float(np.abs(values).max())
    rounding = float(torch.finfo(J.dtype).eps) * norm(A) * len(A)
    norms, grown = norms_of_powers(A, steps=steps), growth(A)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnconvergedWarning)
        constant = kreiss(A, rtol=_KREISS_RTOL)
    curve = torch.from_numpy(norms)
    unstable = math.isinf(constant.lower)
    if math.isfinite(grown.peak) and grown.step <= steps:
        step, value, error = grown.step, grown.peak, max(grown.bound - grown.peak, 0.0)
        direction, response, settled = grown.direction, grown.response, True
    else:
        value, error = float(norms.max()), 0.0
        noise = float(np.finfo(np.float64).eps) * len(A) * len(norms)  # of the later powers
        step = int(np.flatnonzero(norms >= value * (1 - noise))[0])
        power = np.linalg.matrix_power(A, step)
        direction = np.linalg.svd(power)[2][0]
        response, settled = power @ direction, norm(A) <= 1 + rounding
    peak = Peak(
        step,
        value,
        error,
        torch.from_numpy(np.ascontiguousarray(direction)).to(J.device, J.dtype),
        torch.from_numpy(np.ascontiguousarray(response)).to(J.device, J.dtype),
        len(norms) - 1,
        settled,
    )
    bound = radius + rounding
    settling = math.inf if unstable else grown.settling(_LEVEL)
    return _Found(radius, rounding, unstable, peak, curve, constant, bound, settling)


def _leaves(J: LinearOperator) -> Sequence[tuple[str, slice]]:
    if not isinstance(J, UpdateJacobian):
        return ()
    return [(leaf.name, slice(leaf.start, leaf.stop)) for leaf in J.leaves]


def _infinite(z: complex) -> Kreiss:
    return Kreiss(math.inf, math.inf, z, "discrete", note="unstable")


def _settling(curve: Tensor, radius: float) -> float:
    """Return the first step from which on the curve is small, continued by the radius."""
    last = int((curve > _LEVEL).nonzero()[-1])  # the curve begins at 1
    if last + 1 < len(curve):
        return float(last + 1)
    if not 0 < radius < 1:
        return math.inf
    return float(last) + math.ceil(math.log(float(curve[-1]) / _LEVEL) / -math.log(radius))


def _check(J: Any, *, steps: int, rtol: float) -> None:
    if not isinstance(J, LinearOperator):
        raise TypeError(
            f"`transient` needs a LinearOperator; got {type(J).__name__}. Write "
            "`UpdateJacobian(step, state)`, or `MatrixOperator(matrix)`."
        )
    check_numbers(steps=steps, rtol=rtol)
    if not 1 <= steps < math.inf:
        raise ValueError(f"`steps` must be a whole number, 1 or more; got {steps!r}.")
    if not 0 < rtol < 1:
        raise ValueError(f"`rtol` must lie in (0, 1); got {rtol!r}.")
