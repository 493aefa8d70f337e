"""Curvature of a model in training: what `passband.spectra` finds, in the form that is kept."""

import warnings

from torch import Tensor

from passband.errors import UnconvergedWarning
from passband.operators import Hessian
from passband.problem import Objective
from passband.spectra import Spectrum, eigenvalues
from passband.studies.record import Eigenvalues


def largest(
    objective: Objective,
    *,
    k: int = 1,
    rtol: float,
    verify: bool,
    max_matvecs: int | None = None,
    start: Tensor | None = None,
) -> Spectrum:
    """Return the ``k`` largest eigenvalues of the Hessian where the model is now.

    Values that are less accurate than asked are kept with their errors, without a warning:
    the errors go into the record.

    Raises:
        KeyboardInterrupt: The search was interrupted; half a spectrum is of no use here.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnconvergedWarning)
        spectrum = eigenvalues(
            Hessian(objective),
            k=k,
            rtol=rtol,
            verify=verify,
            max_matvecs=max_matvecs,
            start=start,
            progress=False,
        )
    if spectrum.by_user:
        raise KeyboardInterrupt
    return spectrum


def direction(spectrum: Spectrum) -> Tensor:
    """Return where the next search begins: all of the answer, nothing of how it was found."""
    return spectrum.vectors.sum(0)


def kept(spectrum: Spectrum, *, vectors: bool = False) -> Eigenvalues:
    """Return the part of a spectrum that is kept in a record.

    Args:
        spectrum: What was found.
        vectors: Keep the eigenvectors too, each as long as all weights together.
    """
    return Eigenvalues(
        values=tuple(spectrum.values.tolist()),
        errors=tuple(spectrum.errors.tolist()),
        matvecs=spectrum.matvecs,
        vectors=spectrum.vectors.cpu().numpy() if vectors else None,
    )
