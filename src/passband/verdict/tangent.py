"""Scale-invariant weights: which they are, and the Hessian along their spheres."""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor
from typing_extensions import override

from passband._shapes import Float
from passband.operators import LinearOperator
from passband.problem import Objective

_RADIAL = 1e-2  # of a gradient: more along the weight, and the loss depends on its length
_TURNS = 4  # one turn in a hundred ends at nearly the same loss
_SAME = 1e-3  # relative change of the loss under halving and doubling: eps of the norms, rounding


@final
class Tangent(LinearOperator):
    """``A^½ P H P A^½``: a Hessian on the spheres of some weights, the others held.

    Args:
        hessian: The operator H.
        weights: The scale-invariant weights by name, as they are.
        where: Where each is in a vector.
        rates: What multiplies the curvature of each, the diagonal of A; 1 if not given.
    """

    hessian: LinearOperator

    symmetric: bool = True

    def __init__(
        self,
        hessian: LinearOperator,
        *,
        weights: Mapping[str, Tensor],
        where: Mapping[str, slice],
        rates: Mapping[str, float] | None = None,
    ) -> None:
        self.hessian, self._where = hessian, where
        self._units = {name: _unit(w.reshape(-1)) for name, w in weights.items()}
        self._roots = {name: (rates or {}).get(name, 1.0) ** 0.5 for name in weights}
        self._lives(hessian.size, hessian.dtype, hessian.device)

    def project(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return ``A^½ P v``."""
        projected = torch.zeros_like(v)
        for name, unit in self._units.items():
            part = v[self._where[name]]
            tangent = part - (part * unit).sum() * unit
            projected[self._where[name]] = self._roots[name] * tangent
        return projected

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self.project(self.hessian @ self.project(v))

    @override
    def start(self) -> Float[Tensor, " n"] | None:
        """Return the gradient along the spheres."""
        start = self.hessian.start()
        return None if start is None else self.project(start)


def scale_invariant(objective: Objective) -> tuple[str, ...]:
    """Return the names of the parameters whose length the loss does not depend on.

    First by the gradient, which has no part along such a weight; then, on the first batch, by
    doubling and halving it, which must not matter, and by turning it at random, which must in one
    of four turns.

    Costs one gradient, and on the first batch one loss and up to six for each parameter.
    """
    theta = objective.theta
    value, gradient = objective.value_and_gradient()
    weights, slopes = objective.split(theta), objective.split(gradient)
    loss = next(loss for _, loss in objective.batches())
    reference = loss.value(theta)
    scale = max(abs(reference), abs(value), 1e-30)
    generator = torch.Generator().manual_seed(0)

    def turned(w: Tensor) -> Tensor:
        other = torch.randn(len(w), generator=generator).to(w)
        return other * (norm(w) / norm(other))

    def change(place: slice, w: Tensor) -> float:
        moved = theta.clone()
        moved[place] = w
        return abs(loss.value(moved) - reference)

    found: list[str] = []
    for name, place in places(objective).items():
        w, g = weights[name].reshape(-1), slopes[name].reshape(-1)
        length, slope = norm(w), norm(g)
        if abs(float((w * g).sum())) > max(_RADIAL * length * slope, _SAME * scale):
            continue
        if not length or max(change(place, w / 2), change(place, w * 2)) > _SAME * scale:
            continue
        if any(change(place, turned(w)) > _SAME * scale for _ in range(_TURNS)):
            found.append(name)
    return tuple(found)


def places(objective: Objective) -> dict[str, slice]:
    """Return where each parameter is in a vector."""
    where, start = dict[str, slice](), 0
    for name, shape in zip(objective.names, objective.shapes, strict=True):
        where[name] = slice(start, start + shape.numel())
        start += shape.numel()
    return where


def norm(w: Tensor) -> float:
    """Return the length of a weight."""
    return float((w * w).sum().sqrt())


def _unit(w: Tensor) -> Tensor:
    return w / (w * w).sum().sqrt()
