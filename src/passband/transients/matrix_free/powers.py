"""Norms of powers of an operator, from below: adjoint looping."""

import math
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple, final

import torch
from torch import Tensor

from passband._shapes import Float
from passband.operators import LinearOperator
from passband.transients.matrix_free.singular import Largest, Multiply, largest_singular

_SETTLED = 0.9  # a power of norm below one is followed by copies of what was before
_ROUGH, _FEW, _LEAST, _MANY = 0.05, 4, 12, 28  # accuracy and pairs of sweeps: to see, and to answer
_SURE = 20  # of the accuracy asked: residuals may be those of a lesser singular value
_TRIES, _CLOSE, _WIDE = 4, 0.9, 1.5  # powers looked at closely, how large and how far apart
_SHORT = 16  # powers that cost little
_FIRST = 4  # powers that are always looked at, where the largest is early
_NEAR = 0.75  # of one, above which a power is looked at closely though it seems not to grow
_LARGE = {torch.float32: 1e6, torch.float64: 1e12}


class Peak(NamedTuple):
    """The largest power that was found.

    Attributes:
        step: Which power.
        value: Lower bound of its norm.
        error: Estimated distance to the norm.
        direction: The unit vector that is amplified most.
        response: What becomes of it.
        horizon: How many powers were looked at.
        settled: Whether the power at the horizon is so small that no later one is larger.
    """

    step: int
    value: float
    error: float
    direction: Float[Tensor, " n"]
    response: Float[Tensor, " n"]
    horizon: int
    settled: bool


@final
class Powers:
    """Sweeps with ``J`` and ``Jᵀ``; each one bounds all the powers that it passes.

    For a unit vector v every ``‖Jᵏv‖`` and ``‖(Jᵀ)ᵏv‖`` is at most ``‖Jᵏ‖``.

    Args:
        J: The operator.
        multiply: Product with it, or with its adjoint.
        steps: The largest power to look at.
        seed: Of the random directions.
    """

    curve: Tensor

    def __init__(
        self,
        J: LinearOperator,
        multiply: Multiply,
        *,
        steps: int,
        seed: int,
    ) -> None:
        self._J, self._multiply, self._steps = J, multiply, steps
        self._generator = torch.Generator().manual_seed(seed)
        self.curve = torch.zeros(steps + 1, dtype=torch.float64)
        self.curve[0] = 1.0
        self._seen: dict[int, Largest] = {}

    def peak(self, *, rtol: float) -> Peak:
        """Return the largest power up to the first that has settled, or up to all steps."""
        horizon = self._doubled()
        settled = self._seen[horizon].value <= _SETTLED
        fine: dict[int, Largest] = {}
        while len(fine) < _TRIES and (step := self._candidate(fine, rtol)) is not None:
            fine[step] = self._closely(step, rtol)
        if fine:  # once more from elsewhere, and if there was more, a look at its neighbours
            step = max(fine, key=lambda k: fine[k].value)
            again = self._closely(step, rtol, afresh=True)
            fine[step] = max(fine[step], again, key=lambda found: found.value)
            if (step := self._candidate(fine, rtol)) is not None:
                fine[step] = self._closely(step, rtol)
            self._climb(fine, rtol)
        step = max(fine, key=lambda k: fine[k].value, default=0)
        if step == 0 or fine[step].value <= 1:
            last = self._seen[horizon]
            return Peak(0, 1.0, 0.0, last.right, last.right, horizon, settled)
        found = fine[step]
        error = max(found.error, rtol / 4 * found.value)  # to which neighbours were compared
        response = found.value * found.left
        return Peak(step, found.value, error, found.right, response, horizon, settled)

    def _climb(self, fine: dict[int, Largest], rtol: float) -> None:
        """Look closely at the first powers and beside the largest, until none is larger.

        Singular vectors of early powers differ from one to the next, so that sweeps of others say
        little about them; later ones share theirs.
        """
        while (step := max(fine, key=lambda k: fine[k].value)) <= 2 * _SHORT:
            first = range(1, _FIRST + 1) if step <= _SHORT else range(0)
            beside = {*first, step - 2, step - 1, step + 1, step + 2} - fine.keys()
            beside = [k for k in sorted(beside) if 1 <= k <= self._steps]
            if not beside:
                return
            for k in beside:
                fine[k] = self._closely(k, rtol, afresh=k <= _FIRST)

    def _closely(self, step: int, rtol: float, *, afresh: bool = False) -> Largest:
        """Return the norm of a power to more than the accuracy asked, and look beyond it."""
        known = {} if afresh else self._seen
        found = self._largest(step, known, rtol=rtol / _SURE, least=_LEAST, most=_MANY)
        self._sweep(found.right, min(self._steps, step + step // 4 + 2), adjoint=False)
        return found

    def _candidate(self, fine: Mapping[int, Largest], rtol: float) -> int | None:
        """Return the power that is worth a closer look next, None if there is none.

        The largest, unless it is close to one that was looked at and hardly larger.
        """
        curve = self.curve.clone()
        curve[0] = 0
        best = max((found.value for found in fine.values()), default=0.0)
        for k in fine:
            near = curve[math.ceil(k / _WIDE) : int(k * _WIDE) + 1]
            near[near <= best * (1 + rtol / 10)] = 0
        step = int(curve.argmax())
        return step if float(curve[step]) >= max(_CLOSE * best, _NEAR) else None

    def radius_bound(self) -> float:
        """Return an estimated upper bound of the spectral radius, ``‖Jᵏ‖^{1/k}`` at its least."""
        return min(
            ((1 + 2 * _ROUGH) * found.value + found.error) ** (1 / k)
            for k, found in self._seen.items()
        )

    def late(self) -> Float[Tensor, " n"] | None:
        """Return what is left of a perturbation at the horizon: rich in the slowest modes."""
        left = self._seen[max(self._seen)].left
        return left if bool(left.any()) else None

    def random(self) -> Float[Tensor, " n"]:
        """Return a random unit vector, the same on every device."""
        z = torch.randn(self._J.size, generator=self._generator, dtype=self._J.dtype)
        return (z / torch.linalg.vector_norm(z)).to(self._J.device)

    def _doubled(self) -> int:
        """Return the horizon: the first of 1, 2, 4, … that has settled or is beyond measure."""
        step = 1
        while True:
            past = 0 < int(self.curve.argmax()) < step // 4
            most = _FEW // 2 if past else _FEW if step > _SHORT else 2 * _FEW
            found = self._largest(step, self._seen, rtol=_ROUGH, most=most)
            beyond = found.value > _LARGE[self._J.dtype]
            if found.value <= _SETTLED or beyond or step == self._steps:
                return step
            step = min(2 * step, self._steps)

    def _largest(
        self, step: int, known: Mapping[int, Largest], *, rtol: float, most: int, least: int = 1
    ) -> Largest:
        """Return the norm of a power, starting from what is known of the nearest one."""
        start = self.random()
        if known:
            nearest = min(known, key=lambda k: abs(math.log(k / step)))
            start = known[nearest].right + start  # half of it, or nothing else is found
        found = largest_singular(
            partial(self._sweep, steps=step, adjoint=False),
            partial(self._sweep, steps=step, adjoint=True),
            start,
            rtol=rtol,
            most=most,
            least=least,
        )
        self._seen[step] = found
        return found

    def _sweep(self, v: Tensor, steps: int, *, adjoint: bool) -> Tensor:
        """Return ``Jᵏ v`` of a unit vector, and learn from all the powers on the way."""
        norms: list[Tensor] = []
        for _ in range(steps):
            v = self._multiply(v, adjoint=adjoint)
            norms.append(torch.linalg.vector_norm(v))
        seen = torch.stack(norms).double().cpu()
        part = self.curve[1 : steps + 1]
        torch.maximum(part, seen, out=part)
        return v
