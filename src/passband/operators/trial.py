"""Trying out a training step before its Jacobian is trusted."""

from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor

from passband.errors import NonFiniteError, NotDeterministicError
from passband.operators.base import LinearOperator
from passband.operators.state import Layout

_LOOP = "Compute a new tensor instead, `x = x - lr * g`."
_HINT = (
    "Use `torch.func.grad` or `create_graph=True` for gradients, and no `detach`, `no_grad`, "
    "`.data` or `.item()`. A target held fixed in a loss is still a function of the state: "
    "differentiate `loss(own, other)` by `own` alone with `torch.func.grad`."
)


@final
class Trial:
    """A step at a state, called with copies only.

    Args:
        step: The function.
        state: Where it is called.
        layout: Of the state.
    """

    movement: float

    def __init__(self, step: Callable[[Any], Any], state: Any, layout: Layout) -> None:
        if not callable(step):
            raise TypeError(f"`step` must be a function of the state; got {type(step).__name__}.")
        self._step, self._layout = step, layout
        self._state = [t.detach().clone() for t in layout.tensors(state, name="`state`")]
        layout.check_finite(self._state, name="`state`", advice="Look for it before this step.")
        self._next = layout.join(self._state)
        self.movement = 0.0

    def graph(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return the inputs and outputs of a step, connected; raise where it is no function."""
        inputs, outputs = self._run(self._state)
        if not any(out.requires_grad for out in outputs):
            raise ValueError(
                f"`step` must be differentiable; nothing it returns depends on its input. {_HINT}"
            )
        before = self._next
        self._next = self._layout.join(outputs)
        moved = torch.linalg.vector_norm(self._next - before)
        self.movement = float(moved)
        again = torch.linalg.vector_norm(self._values(self._state) - self._next)
        rounding = 10 * torch.finfo(self._layout.dtype).eps * torch.linalg.vector_norm(self._next)
        if not bool(again <= 1e-3 * moved + rounding):
            raise NotDeterministicError(
                f"the same step twice has two results, {float(again):.3g} apart, where it moves "
                f"by {self.movement:.3g}. Fix the batch, turn dropout off with `model.eval()`, and "
                "keep counters and buffers in the state."
            )
        return inputs, outputs

    def check(self, J: LinearOperator) -> None:
        """Raise unless products agree with each other and with difference quotients."""
        generator = torch.Generator().manual_seed(0)
        like = self._next
        draws = torch.randn(2, len(like), generator=generator, dtype=like.dtype)
        u, v = draws.to(like.device)
        w, adjoint = J.multiply(v), J.multiply(u, adjoint=True)
        gap = torch.dot(u, w) - torch.dot(adjoint, v)
        norm = torch.linalg.vector_norm
        size = norm(u) * norm(w) + norm(adjoint) * norm(v)
        if not bool(gap.abs() <= 10 * torch.finfo(like.dtype).eps ** 0.5 * size):
            raise ValueError(
                f"⟨u, J v⟩ and ⟨Jᵀ u, v⟩ differ by {float(gap):.3g}: some operation of `step` has "
                "no second derivative, or a wrong one. Look for a `torch.autograd.Function` of "
                "your own, and for `once_differentiable`."
            )
        relative = self._relative(v)
        self._check_quotients(relative, J.multiply(relative))

    def _relative(self, v: Tensor) -> Tensor:
        """Return a direction in which every entry keeps its sign: averages of squares stay so."""
        whole = self._layout.join(self._state)
        rms = float(whole.square().mean().sqrt()) or 1.0
        sizes = [t.abs() if bool(t.any()) else torch.full_like(t, rms) for t in self._state]
        return v.clamp(-3, 3) * self._layout.join(sizes)

    def _check_quotients(self, v: Tensor, w: Tensor) -> None:
        """Compare ``J v`` with two central differences; where these disagree, nothing is said."""
        start = self._layout.join(self._state)
        eps = torch.finfo(v.dtype).eps
        h = eps**0.2  # large, so that rounding hides no small learning rate
        try:
            coarse, fine = self._quotient(start, v, h), self._quotient(start, v, h / 4)
        except NonFiniteError:  # nearby it is not defined: nothing to compare with
            return
        for leaf in self._layout.leaves:
            part = slice(leaf.start, leaf.stop)
            change = float(torch.linalg.vector_norm(fine[part] - v[part]))
            noise = float(torch.linalg.vector_norm(fine[part] - coarse[part]))
            rounding = eps * float(torch.linalg.vector_norm(self._next[part])) / h
            wrong = float(torch.linalg.vector_norm(fine[part] - w[part]))
            if wrong > 0.05 * change + 5 * noise + 5 * rounding:
                raise ValueError(
                    f"the derivative of `step` at {leaf.name!r} is not that of what it does: along "
                    f"a random direction, {float(torch.linalg.vector_norm(w[part])):.4g} by "
                    f"autograd and {float(torch.linalg.vector_norm(fine[part])):.4g} by "
                    f"differences, {wrong:.3g} apart. {_HINT}"
                )

    def _quotient(self, start: Tensor, v: Tensor, h: float) -> Tensor:
        ahead, behind = (self._values(self._layout.split(start + t * v)) for t in (h, -h))
        return (ahead - behind) / (2 * h)

    def _values(self, state: Sequence[Tensor]) -> Tensor:
        return self._layout.join(self._run(state)[1])

    def _run(self, state: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Call the step with copies that can be differentiated."""
        inputs = [tensor.clone().requires_grad_() for tensor in state]
        devices = [self._layout.device] if self._layout.device.type == "cuda" else []
        try:
            with torch.enable_grad(), torch.random.fork_rng(devices=devices):
                result = self._step(self._layout.build(inputs))
        except RuntimeError as error:
            if "numpy()" in str(error):
                raise TypeError(
                    "`step` must compute with torch throughout: numpy has no derivatives. "
                    "Replace `np.` by `torch.`."
                ) from error
            if "in-place" not in str(error) and "inplace" not in str(error):
                raise
            raise ValueError(
                f"`step` must leave its input as it is; it changed it in place. {_LOOP}"
            ) from error
        for leaf, given, tensor in zip(self._layout.leaves, state, inputs, strict=True):
            if not torch.equal(given, tensor.detach()):
                raise ValueError(
                    f"`step` must leave its input as it is; it changed {leaf.name!r} in place. "
                    f"{_LOOP}"
                )
        if result is None:
            raise ValueError("`step` must return the next state; it returned None.")
        outputs = self._layout.tensors(result, name="what `step` returns")
        advice = "Train at a smaller step, or look for a square root, norm or power at 0."
        self._layout.check_finite(outputs, name="what `step` returns", advice=advice)
        return inputs, outputs
