"""The eigenvalues of largest modulus of an operator that is not symmetric."""

import contextlib
import time
import warnings

import numpy as np
import torch
from torch import Tensor

from passband.errors import UnconvergedWarning
from passband.operators import LinearOperator
from passband.spectra.hunt import Hunt
from passband.spectra.modes import CAUTION
from passband.spectra.plane import Multipliers
from passband.spectra.sides import bars
from passband.spectra.start import any_operator, first_direction, random_direction, watched

_KEPT_BYTES = 2**31


def multipliers(
    J: LinearOperator,
    *,
    k: int = 3,
    rtol: float = 1e-4,
    start: Tensor | Multipliers | None = None,
    seed: int = 0,
    verify: bool = True,
    max_matvecs: int | None = None,
    memory: int | None = None,
) -> Multipliers:
    """Return the ``k`` eigenvalues of largest modulus of a real operator, with their errors.

    Of one step of a training algorithm they are the factors by which small displacements grow
    each step: it is stable where all moduli are below one. Arnoldi with full orthogonalization
    and Krylov–Schur restarts; then a second space beside the answer looks for what was missed
    and for further copies; then left vectors, from products with the adjoint, give condition
    numbers. A residual alone says little: where eigenvectors are nearly parallel, a small one
    hides a large error.

    Costs about the products of `eigenvalues` twice, half of them with the adjoint; memory is one
    vector a product, up to ``memory`` bytes, then the search restarts from the best.

    Args:
        J: The operator. One without an adjoint gets residuals for errors.
        k: How many; one more if that would divide a pair of conjugates.
        rtol: Accuracy, relative to each modulus, nowhere finer than ``100 eps`` of the largest.
        start: Where to look first: earlier `Multipliers` of a similar operator, or a vector
            ``(n,)``. Some randomness is always added.
        seed: Seeds the random directions; the same on every device.
        verify: Look for missed and repeated eigenvalues.
        max_matvecs: Products to spend at most, with the adjoint too; ``200 + 40 k`` if not given.
        memory: Bytes for the vectors of the search; 2 GiB if not given.

    Returns:
        The multipliers, with an `UnconvergedWarning` if the accuracy was not reached. After
        Ctrl-C they are marked ``interrupted`` and are what was known by then, which may be fewer.

    Raises:
        ValueError: ``k`` or another number out of range.
        TypeError: Not an operator.
        NonFiniteError: A product is not finite.

    Example:
        A rotation by a right angle that doubles has the multipliers ``±2i``.

        >>> from passband.operators import MatrixOperator
        >>> J = MatrixOperator(torch.tensor([[0.0, -2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
        >>> [f"{value:.3f}" for value in multipliers(J, k=2).values.tolist()]
        ['0.000+2.000j', '0.000-2.000j']

    References:
        Stewart, *A Krylov–Schur algorithm for large eigenproblems*, SIAM J. Matrix Anal. Appl.
        23, 2002; Golub and Van Loan, *Matrix Computations*, 4th ed., 2013, section 7.2.
    """
    _check(J, k=k, rtol=rtol, max_matvecs=max_matvecs)
    began, generator = time.perf_counter(), torch.Generator().manual_seed(seed)
    limit = 200 + 40 * k if max_matvecs is None else max_matvecs
    capacity = (_KEPT_BYTES if memory is None else memory) // (2 * J.size * J.dtype.itemsize)
    work = _Work(J, k=k, rtol=rtol, limit=limit, capacity=capacity, generator=generator)
    right = work.hunt(first_direction(J, start, generator), adjoint=False)
    try:
        work.run(right, verify=verify)
    except KeyboardInterrupt:
        if not right.space.size:
            raise
        work.stopped, work.verified = True, False
        work.said = [f"interrupted after {work.matvecs} products."]
    answer = work.answer(right, seconds=time.perf_counter() - began)
    if not bool(answer.converged.all()):
        worst = float((answer.errors / answer.values.abs()).max())
        warnings.warn(
            f"multipliers: {int((~answer.converged).sum())} of {len(answer.values)} did not reach "
            f"rtol={rtol:g} in {answer.matvecs} products; the worst relative error is {worst:.1e}, "
            f"the largest condition number {float(answer.conditions.max()):.1e}. Raise "
            "`max_matvecs` or `rtol`, or use double precision.",
            UnconvergedWarning,
            stacklevel=2,
        )
    return answer


class _Work:
    """Both sides of the computation and what is said about them."""

    def __init__(
        self,
        J: LinearOperator,
        *,
        k: int,
        rtol: float,
        limit: int,
        capacity: int,
        generator: torch.Generator,
    ) -> None:
        self._J, self._k, self._rtol, self._limit = J, k, rtol, limit
        self._capacity, self._generator = capacity, generator
        self._hunts: list[Hunt] = []
        self._other: Hunt | None = None
        self.verified, self.stopped, self.said = False, False, list[str]()

    @property
    def matvecs(self) -> int:
        """Products spent on both sides."""
        return sum(hunt.matvecs for hunt in self._hunts)

    @property
    def left(self) -> int:
        """Products that may still be spent."""
        return self._limit - self.matvecs

    def hunt(self, start: Tensor, *, adjoint: bool) -> Hunt:
        """Return a new side."""
        hunt = Hunt(
            watched(self._J, adjoint=adjoint),
            start,
            k=self._k,
            rtol=self._rtol,
            capacity=self._capacity,
            generator=self._generator,
        )
        self._hunts.append(hunt)
        return hunt

    def run(self, right: Hunt, *, verify: bool) -> None:
        """Search, compare with the other side, look beside."""
        right.search(self.left - self.left // 3)  # the rest is for the adjoint and a second look
        if not self._J.symmetric and not right.space.full:
            other = self.hunt(self._start_of(right), adjoint=True)
            with contextlib.suppress(NotImplementedError):
                other.search(self.left if right.settled else self.left // 2)
                self._other = other
                self._refine(right)
        if not right.settled:
            right.search(self.left)
        self._verify(right, verify=verify)
        if (
            self._two_sided is not None
            and not np.isfinite(bars(right, self._two_sided).errors).all()
        ):
            self._two_sided.look(self.left)

    def _refine(self, right: Hunt) -> None:
        """Go on where the condition numbers are worse than they looked from within."""
        if self._two_sided is None or not right.settled:
            return
        now, known = right.modes(), bars(right, self._two_sided).conditions
        ratios = known / now.conditions[: now.leading]
        worse = float(ratios[np.isfinite(ratios)].max(initial=1.0))
        if worse > 1.5:
            right.conditions = 1.5 * worse
            right.search(self.left)

    @property
    def _two_sided(self) -> Hunt | None:
        return self._other if self._other is not None and self._other.space.size else None

    def _verify(self, right: Hunt, *, verify: bool) -> None:
        if right.space.full:
            self.verified = True
            self.said.append("complete: the search covered the whole space.")
        elif not right.settled:
            self.said.append(f"not verified: the search stopped after {right.matvecs} products.")
        elif not verify:
            self.said.append("not verified: repeated and missed eigenvalues were not looked for.")
        else:
            before = right.matvecs
            outcome = right.look(self.left)
            spent = right.matvecs - before
            more = f"; it found {right.found} that the first had missed" if right.found else ""
            self.verified = outcome != "open"
            self.said.append(
                {
                    "full": f"complete: the search covered the whole space{more}.",
                    "closed": f"verified: a second search of {spent} products found no more{more}.",
                    "open": f"not verified: {spent} products could not rule out more{more}.",
                }[outcome]
            )

    def _sides(self, right: Hunt) -> str:
        if self._J.symmetric:
            return "Errors are residuals: the operator is symmetric."
        if right.space.full:
            return "Errors are two-sided: the space holds the left vectors."
        if self._two_sided is not None:
            return f"Errors are two-sided: {self._two_sided.matvecs} products with the adjoint."
        return (
            "Errors are backward errors: without left vectors residuals say of which nearby "
            "operator these are the values, not how far they are from those of this one."
        )

    def _start_of(self, right: Hunt) -> Tensor:
        now = right.modes()
        vectors = now.vectors(right.space, np.arange(now.leading)).sum(0)
        z = random_direction(self._J, self._generator)
        sides = vectors.real + vectors.imag
        return sides / sides.norm() + 0.1 * z / z.norm() if float(sides.norm()) > 0 else z

    def answer(self, right: Hunt, *, seconds: float) -> Multipliers:
        """Return what is known now."""
        now = right.modes()
        chosen = np.arange(now.leading)
        vectors = now.vectors(right.space, chosen)
        residuals, conditions = now.residuals[chosen], now.conditions[chosen]
        errors, sure = residuals, CAUTION * conditions * residuals
        if self._J.symmetric:
            sure, conditions = errors, np.ones_like(errors)
        elif right.space.full or self._two_sided is not None:
            found = bars(right, None if right.space.full else self._two_sided)
            errors, sure, conditions = found.errors, found.errors, found.conditions
        converged = sure <= now.tolerances(self._rtol)[chosen]

        def real(numbers: np.ndarray) -> Tensor:
            return torch.from_numpy(numbers.copy()).to(self._J.device, self._J.dtype)

        return Multipliers(
            values=torch.from_numpy(now.values[chosen]).to(vectors),
            vectors=vectors,
            residuals=real(residuals),
            errors=real(errors),
            conditions=real(conditions),
            converged=torch.from_numpy(converged).to(vectors.device),
            matvecs=self.matvecs,
            verified=self.verified,
            evidence=" ".join([*self.said, self._sides(right)]),
            seconds=seconds,
            interrupted=self.stopped,
        )


def _check(J: LinearOperator, *, k: int, rtol: float, max_matvecs: int | None) -> None:
    any_operator(J, name="multipliers")
    if not 1 <= k <= J.size:
        raise ValueError(f"`multipliers` needs 1 <= k <= {J.size}, the operator's size; got {k=}.")
    if not 0 < rtol < 1:
        raise ValueError(f"`rtol` must lie in (0, 1); got {rtol!r}.")
    least = min(J.size, k + 2)
    if max_matvecs is not None and not max_matvecs >= least:
        raise ValueError(f"`max_matvecs` must be at least {least} for {k=}; got {max_matvecs!r}.")
