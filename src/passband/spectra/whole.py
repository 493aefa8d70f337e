"""A small operator written out, where searches have left something open."""

import torch
from torch import Tensor

from passband.spectra.results import Spectrum
from passband.spectra.ritz import Pairs, Side
from passband.spectra.search import Search

WRITTEN = 256
"""Entries up to which a matrix is written out; above, what is left open is told instead."""


def is_affordable(search: Search) -> bool:
    """Whether the budget of a search that has ended holds a product for every column."""
    return search.size <= min(WRITTEN, search.left)


def written_out(search: Search, answer: Spectrum) -> Spectrum:
    """Return the answer from all columns: nothing can be missed, what is left is rounding.

    The error is how far the columns are from being symmetric, and no less than the rounding that
    the searches have seen.
    """
    rounding = search.pairs().floor
    matrix = search.columns(answer).double().cpu()
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    error = max(float(torch.linalg.matrix_norm(matrix - matrix.T, 2)), rounding)
    residuals = torch.linalg.vector_norm(matrix @ vectors - values * vectors, dim=0)
    pairs = Pairs(values, vectors, residuals, torch.zeros_like(values), error)
    chosen = [(end, i) for end in search.ends for i in end.wanted(pairs)]
    wanted = [i for _, i in chosen]
    return Spectrum(
        values=values[wanted].to(answer.values),
        vectors=vectors.T[wanted].to(answer.vectors),
        errors=torch.full_like(answer.errors, error),
        converged=_reached(chosen, pairs).to(answer.converged.device),
        matvecs=search.matvecs,
        which=answer.which,
        verified=True,
        evidence=f"complete: {len(matrix)} of the products wrote out the whole matrix.",
        residuals=(residuals[wanted] + error).to(answer.residuals),
        seconds=answer.seconds,
    )


def _reached(chosen: list[tuple[Side, int]], pairs: Pairs) -> Tensor:
    return torch.tensor([pairs.floor <= end.tolerance(pairs, i) for end, i in chosen])
