"""The outer eigenvalues of a symmetric operator, with their errors."""

import dataclasses
import math
import time
import warnings
from typing import Any

import torch
from torch import Tensor

from passband.errors import UnconvergedWarning
from passband.operators import LinearOperator
from passband.problem.numbers import check_numbers
from passband.spectra.bars import error_bars
from passband.spectra.progress import Bar, Listener
from passband.spectra.results import Spectrum, Which
from passband.spectra.ritz import Side
from passband.spectra.search import Search
from passband.spectra.start import first_direction, symmetric_operator
from passband.spectra.whole import WRITTEN, is_affordable, written_out

_KEPT_BYTES = 2**31


def eigenvalues(
    H: LinearOperator,
    *,
    k: int = 3,
    which: Which = "largest",
    rtol: float = 1e-4,
    start: Tensor | Spectrum | None = None,
    seed: int = 0,
    verify: bool = True,
    max_matvecs: int | None = None,
    max_seconds: float | None = None,
    memory: int | None = None,
    progress: bool | Listener | None = None,
) -> Spectrum:
    """Return ``k`` outer eigenvalues of a symmetric operator, their vectors and their errors.

    Lanczos with full orthogonalization. It starts from the gradient where the operator has one,
    and stops when all wanted values are accurate at two steps in a row. One Krylov space shows
    one copy of a multiple eigenvalue and may miss what its start lacks, so a second one,
    orthogonal to the answer and started at random, looks for more; what it finds is added.
    That is evidence, not proof; ``evidence`` says what was found. What it leaves open in up to
    256 entries is settled by writing the matrix out, where ``max_matvecs`` allows a product an
    entry.

    Costs 10 to 20 products for the top three of a network and 5 to 12 to verify them; memory is
    one vector a product, up to ``memory`` bytes, then the search restarts from the best.

    Args:
        H: The operator, with ``H.symmetric``.
        k: How many; with ``which="both"`` at each end.
        which: ``"largest"`` (algebraic: sharpness), ``"smallest"`` (negative curvature first),
            ``"magnitude"``, or ``"both"`` ends from one search.
        rtol: Accuracy, relative to each value; at the small end to the largest magnitude.
            Nowhere finer than ``100 eps`` of the largest magnitude, 1e-5 in single precision;
            asked for more, it warns and the errors say what was reached.
        start: Where to look first: an earlier `Spectrum` of a similar operator, or a vector
            ``(n,)``. Some randomness is always added. A spectrum of the same operator that was
            interrupted is continued, at the price of one product.
        seed: Seeds the random directions; the same on every device.
        verify: Look for missed and repeated eigenvalues. Without, errors are residuals.
        max_matvecs: Products to spend at most, but for four more where products look as if the
            operator were not symmetric; ``100 + 20 k`` if not given.
        max_seconds: Time to spend at most, but for the product that passes it; no limit if not
            given.
        memory: Bytes for the vectors of the search; 2 GiB if not given.
        progress: False for silence; a function that is given a `Step` after every product; if
            not given, a bar appears on a terminal after two seconds.

    Returns:
        The spectrum, with an `UnconvergedWarning` if the accuracy was not reached. After
        Ctrl-C, or when products or time ran out, it is marked ``interrupted`` and holds what was
        known by then, which may be fewer values.

    Raises:
        ValueError: An operator that is not symmetric, ``k`` out of range, an unknown ``which``.
        NonFiniteError: A product is not finite.

    Example:
        >>> from passband.operators import MatrixOperator
        >>> H = MatrixOperator(torch.diag(torch.tensor([5.0, -7.0, 2.0, 5.0])))
        >>> [round(value, 3) for value in eigenvalues(H, k=2).values.tolist()]
        [5.0, 5.0]

    References:
        Parlett, *The Symmetric Eigenvalue Problem*, SIAM 1998, chapters 11 and 13.
    """
    check_numbers(rtol=rtol, max_matvecs=max_matvecs, max_seconds=max_seconds, seed=seed)
    _check(H, k=k, which=which, rtol=rtol, max_matvecs=max_matvecs, max_seconds=max_seconds)
    began = time.perf_counter()
    generator = torch.Generator().manual_seed(seed)
    bar = Bar(wanted=progress) if progress is None or isinstance(progress, bool) else None
    search = Search(
        H,
        first_direction(H, start, generator),
        ends=_ends(which, k, rtol=rtol, eps=torch.finfo(H.dtype).eps),
        limit=100 + 20 * k if max_matvecs is None else max_matvecs,
        seconds=math.inf if max_seconds is None else max_seconds,
        capacity=(_KEPT_BYTES if memory is None else memory) // (H.size * H.dtype.itemsize),
        generator=generator,
        listener=bar if isinstance(progress, bool) or progress is None else progress,
    )
    finest = 100 * torch.finfo(H.dtype).eps
    whole: Spectrum | None = None
    by_user = False
    try:
        if isinstance(start, Spectrum) and start.unfinished is not None:
            search.resume(start.unfinished)
        verified, evidence = search.run(verify=verify)
        if verify and rtol >= finest / 2 and is_affordable(search):
            answer = _answer(search, which, verified, evidence, seconds=0.0)
            if not (verified and bool(answer.converged.all())):
                whole = written_out(search, answer)
    except KeyboardInterrupt:
        if not search.known:
            raise
        search.stopped = by_user = True
        verified, evidence = False, f"interrupted after {search.matvecs} products."
    finally:
        if bar is not None:
            bar.close()
    if rtol < finest / 2:
        evidence += f" {H.dtype} cannot give rtol={rtol:g}: the errors say what it gave."
    seconds = time.perf_counter() - began
    spectrum = whole or _answer(search, which, verified, evidence, seconds=seconds)
    spectrum = dataclasses.replace(
        spectrum, seconds=seconds, by_user=by_user, curvature=H.curvature
    )
    written = whole is not None
    if message := _doubt(search, spectrum, rtol=rtol, finest=finest, written=written):
        warnings.warn(f"eigenvalues: {message}", UnconvergedWarning, stacklevel=2)
    return spectrum


def _doubt(search: Search, spectrum: Spectrum, *, rtol: float, finest: float, written: bool) -> str:
    """Return what its user should know of a spectrum, if anything."""
    kind = search.space.basis.dtype
    if rtol < finest / 2:
        return (
            f"rtol={rtol:g} is finer than {kind} can give, about {finest:.0e} of the largest "
            "magnitude. Use double precision: `model.double()`, and the data likewise."
        )
    if bool(spectrum.converged.all()):
        return ""
    remedy = (
        "A second search left open what else lies there. Ask for more values (`k`), which widens "
        "both searches; the errors hold until then."
    )
    if written:
        remedy = f"The whole matrix was written out, so this is the rounding of {kind}."
    elif search.size <= WRITTEN:
        remedy = (
            f"`max_matvecs={search.matvecs + search.size}` would write the whole matrix out and "
            "settle it."
        )
    if search.stopped:
        remedy = "Raise what limits it, or give this spectrum as `start` to go on."
    worst = float((spectrum.errors / spectrum.values.abs()).max())
    return (
        f"{int((~spectrum.converged).sum())} of {len(spectrum.values)} did not reach "
        f"rtol={rtol:g} in {search.matvecs} products; the worst relative error is {worst:.1e}. "
        f"{remedy}"
    )


def _ends(which: Which, k: int, *, rtol: float, eps: float) -> list[Side]:
    kinds: tuple[Which, ...] = ("largest", "smallest") if which == "both" else (which,)
    return [Side(kind, k, rtol, eps) for kind in kinds]


def _answer(
    search: Search, which: Which, verified: bool, evidence: str, *, seconds: float
) -> Spectrum:
    pairs, known = search.pairs(), search.locked
    state = {"settled": search.settled, "looked": len(known.values) > 0, "verified": verified}
    wanted: list[int] = []
    errors: list[float] = []
    reached: list[bool] = []
    for end in search.ends:
        chosen = end.wanted(pairs)
        bars = error_bars(end, pairs, **state)
        wanted, errors = wanted + chosen, errors + bars
        unlooked = search.settled and not len(known.values)  # converged by an estimate
        likely = search.refined(end, pairs) if unlooked else bars
        reached += [e <= end.tolerance(pairs, i) for i, e in zip(chosen, likely, strict=True)]
    vectors = known.with_pairs(pairs, wanted, search.space).vectors
    return Spectrum(
        values=pairs.values[wanted].to(vectors),
        vectors=vectors,
        errors=torch.tensor(errors).to(vectors),
        converged=torch.tensor(reached, device=vectors.device),
        matvecs=search.matvecs,
        which=which,
        verified=verified,
        evidence=evidence,
        residuals=pairs.residuals[wanted].to(vectors),
        seconds=seconds,
        interrupted=search.stopped,
        unfinished=search.unfinished() if search.stopped else None,
    )


def _check(
    H: Any,
    *,
    k: int,
    which: str,
    rtol: float,
    max_matvecs: int | None,
    max_seconds: float | None,
) -> None:
    symmetric_operator(H, name="eigenvalues")
    if which not in {"largest", "smallest", "magnitude", "both"}:
        raise ValueError(
            f"`which` must be 'largest', 'smallest', 'magnitude' or 'both'; got {which!r}."
        )
    if not isinstance(k, int) or not 1 <= k <= H.size:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(
            f"`eigenvalues` needs a whole number 1 <= k <= {H.size}, the operator's size; got {k=}."
        )
    if not 0 < rtol < 1:
        raise ValueError(f"`rtol` must lie in (0, 1); got {rtol!r}.")
    least = min(H.size, (2 * k if which == "both" else k) + 2)
    if max_seconds is not None and not max_seconds > 0:
        raise ValueError(f"`max_seconds` must be positive; got {max_seconds!r}.")
    if max_matvecs is not None and not max_matvecs >= least:
        raise ValueError(f"`max_matvecs` must be at least {least} for {k=}; got {max_matvecs!r}.")
