"""Errors of eigenvalues of a matrix that is not symmetric, from its right and left vectors."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy import ndarray

from passband.spectra.hunt import Hunt
from passband.spectra.modes import CAUTION, Modes


@final
@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """What right and left vectors say together, one number for every wanted value.

    Attributes:
        conditions: ``1 / |yᴴx|``, shape ``(k,)``; of a cluster the norm of its projector.
        errors: Estimated errors, shape ``(k,)``; infinite where no left vector was found.
    """

    conditions: ndarray
    errors: ndarray


def bars(right: Hunt, left: Hunt | None) -> Bars:
    """Return condition numbers and errors of the wanted values.

    A value ``λ`` with unit vectors ``x``, ``y`` and residual ``r`` is off by ``‖r‖ / |yᴴx|``, to
    first order. Where that reaches halfway to a neighbour the two are treated as one: a cluster
    with orthonormal vectors ``X``, ``Y`` moves by ``‖R‖ / σ_min(YᴴX)``, and each of its values by
    that and the width of the cluster, which is what a Jordan block makes of rounding.

    Args:
        right: The search with the operator.
        left: The search with its adjoint; without one the left vectors are those of the operator
            within the space, which are right where the space is everything.

    References:
        Golub and Van Loan, *Matrix Computations*, 4th ed., 2013, sections 7.2.2 and 7.2.4.
    """
    here = right.modes()
    k = here.leading
    values, residuals = here.values[:k], here.residuals[:k]
    if left is None:
        x, y, found, apart = here.weights[:, :k], here.partners[:, :k], np.ones(k, dtype=bool), 0.0
    else:
        there = left.modes()
        partners = _partners(here, there)
        found, chosen = partners >= 0, np.maximum(partners, 0)
        x = here.vectors(right.space, np.arange(k)).cpu().numpy().astype(complex).T
        y = there.vectors(left.space, chosen).cpu().numpy().astype(complex).T
        apart = np.abs(values - there.values[chosen].conj())
    overlaps = np.abs((y.conj() * x).sum(0))
    conditions = np.where(found, 1 / np.maximum(overlaps, here.precision), np.inf)
    errors = CAUTION * conditions * residuals
    for cluster in _clusters(values, np.where(found, errors, 0.0)):
        if len(cluster) > 1:
            X, Y = (np.linalg.qr(z[:, cluster])[0] for z in (x, y))
            least = float(np.linalg.svd(Y.conj().T @ X, compute_uv=False).min())
            together = 1 / max(least, here.precision) if found[cluster].all() else np.inf
            width = np.abs(values[cluster][:, None] - values[cluster]).max()
            conditions[cluster] = together
            errors[cluster] = CAUTION * together * np.linalg.norm(residuals[cluster]) + width
        others = np.delete(here.values, cluster)
        gap = np.abs(others[:, None] - values[cluster]).min(initial=np.inf)
        if not errors[cluster].max() <= gap / 2:
            errors[cluster] += gap  # one of the others may belong to the cluster
    return Bars(conditions, np.where(found, np.maximum(errors, apart), np.inf))


def _partners(here: Modes, there: Modes) -> ndarray:
    """Return which left value belongs to each right one, −1 for none; each is given once.

    A conjugate pair has conjugate partners, because ``Aᵀ`` has the eigenvalues of ``A`` and the
    left vector is the conjugate of that of ``Aᵀ``.
    """
    partners, free = np.full(here.leading, -1), set(range(len(there.values)))
    for i, value in enumerate(here.values[: here.leading]):
        if not free:
            break
        best = min(free, key=lambda j: abs(there.values[j].conj() - value))
        bar = CAUTION * (here.conditions[i] * here.residuals[i])
        bar += CAUTION * there.conditions[best] * there.residuals[best]
        if abs(there.values[best].conj() - value) <= min(
            max(4 * bar, 1e-6 * abs(value)), 0.1 * abs(value)
        ):
            partners[i] = best
            free.remove(best)
    return partners


def _clusters(values: ndarray, reach: ndarray) -> list[list[int]]:
    """Return which values cannot be told apart."""
    label = np.arange(len(values))
    for i in range(len(values)):
        for j in range(i):
            if abs(values[i] - values[j]) <= 2 * max(reach[i], reach[j]):
                label[label == label[i]] = label[j]
    return [np.flatnonzero(label == c).tolist() for c in np.unique(label)]
