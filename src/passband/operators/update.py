"""The Jacobian of one training step, of one player or of several, with all their buffers."""

from collections.abc import Callable, Mapping
from typing import Any, final

import torch
from torch import Tensor
from typing_extensions import override

from passband._shapes import Float
from passband.errors import NonFiniteError, PassbandError, first_line
from passband.operators.base import LinearOperator
from passband.operators.state import Layout, Leaf
from passband.operators.trial import Trial
from passband.problem.finite import all_finite


@final
class UpdateJacobian(LinearOperator):
    """Jacobian ``J = ∂F/∂s`` of a training step ``s ← F(s)`` at a state, not symmetric.

    The step is a function: it takes a state and returns the next one, and leaves what it took
    as it was. The state is any nest of tensors that torch's pytrees know (dicts, lists, tuples,
    registered dataclasses), of one floating-point dtype: weights, momentum buffers, averages.
    Whole numbers, strings and None in it are held constant. Gradients inside the step must be
    differentiable: ``torch.func.grad``, or ``torch.autograd.grad(..., create_graph=True)``.

    Random numbers of torch's global generator are the same in every call, so that
    dropout has one mask.

    Everything is built once: the graph of the step, and the graph of its adjoint product,
    which is differentiated once more for ``J v``. ``J.T @ u`` costs about one backward pass of
    the step, ``J @ v`` about two, and the memory is that of both graphs. The state is copied:
    changing it afterwards does not move the operator.

    Construction takes six steps and three products, to refuse what would give wrong ones unseen: a
    step that changes its input, answers twice differently, detaches something, or has a
    derivative that differs from a difference quotient.

    Args:
        step: The function ``F``, from a state to a state of the same structure.
        state: Where to differentiate.
        check: Whether to compare with difference quotients and the adjoint.

    Attributes:
        leaves: Name, shape and place in the vector of every tensor of the state.
        parts: The place of every top-level entry of the state: its players, or buffers.
        movement: ``‖F(s) − s‖``, zero at an equilibrium, where J is all there is to know.

    Raises:
        TypeError: If the state holds something that is no tensor and no constant.
        ValueError: If the step is not a differentiable function as described.
        NonFiniteError: If a state or a product is not finite.
        NotDeterministicError: If the same step twice has two results.

    Example:
        Two players of the game ``x² / 2 + x y − y² / 2``, descending and ascending at rate 0.1.

        >>> def step(s):
        ...     return {
        ...         "x": s["x"] - 0.1 * (s["x"] + s["y"]),
        ...         "y": s["y"] + 0.1 * (s["x"] - s["y"]),
        ...     }
        >>> J = UpdateJacobian(step, {"x": torch.ones(1), "y": torch.ones(1)})
        >>> J.dense()
        tensor([[ 0.9000, -0.1000],
                [ 0.1000,  0.9000]])

    References:
        Pearlmutter, *Fast exact multiplication by the Hessian*, Neural Computation 6, 1994; the
        derivative of the adjoint product is Townsend's, *A new trick for calculating
        Jacobian vector products*, 2017.
    """

    movement: float

    def __init__(self, step: Callable[[Any], Any], state: Any, *, check: bool = True) -> None:
        if isinstance(getattr(step, "__self__", None), torch.optim.Optimizer):
            raise TypeError(
                "`step` must be a function that returns the next state; an optimizer's method "
                "changes tensors in place. Write its update out: `lambda s: {...}`."
            )
        self._layout = Layout(state)
        self._lives(self._layout.size, self._layout.dtype, self._layout.device)
        trial = Trial(step, state, self._layout)
        self._inputs, outputs = trial.graph()
        self.movement = trial.movement
        self._outputs = [out for out in outputs if out.requires_grad]
        self._rows = [
            leaf for leaf, out in zip(self.leaves, outputs, strict=True) if out.requires_grad
        ]
        self._weights = [torch.zeros_like(out).requires_grad_() for out in self._outputs]
        self._adjoint = self._differentiable_adjoint()
        if check:
            trial.check(self)

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """Name, shape and place in the vector of every tensor of the state."""
        return self._layout.leaves

    @property
    def parts(self) -> Mapping[str, slice]:
        """The place of every top-level entry of the state."""
        return self._layout.parts

    def split(self, v: Float[Tensor, " n"]) -> dict[str, Tensor]:
        """Return a vector as named tensors, views of it in the shapes of the state."""
        self._check(v)
        tensors = self._layout.split(v)
        return {leaf.name: tensor for leaf, tensor in zip(self.leaves, tensors, strict=True)}

    def as_state(self, v: Float[Tensor, " n"]) -> Any:
        """Return a vector as a nest like the state: a perturbation to add to it."""
        self._check(v)
        return self._layout.build([tensor.clone() for tensor in self._layout.split(v)])

    def as_vector(self, state: Any) -> Float[Tensor, " n"]:
        """Return a nest like the state as a vector."""
        return self._layout.join(self._layout.tensors(state, name="the nest"))

    @override
    def _matvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        pairs = [
            (g, part)
            for g, part in zip(self._adjoint, self._layout.split(v), strict=True)
            if g is not None and g.requires_grad
        ]
        product = torch.zeros_like(v)
        if pairs:
            slope = _inner(*zip(*pairs, strict=True))
            rows = self._grad(slope, self._weights)
            for leaf, row in zip(self._rows, rows, strict=True):
                product[leaf.start : leaf.stop] = row.reshape(-1)
        return self._finite(product, v)

    @override
    def _rmatvec(self, v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        weights = [v[leaf.start : leaf.stop].view(leaf.shape) for leaf in self._rows]
        product = self._layout.join(self._grad(_inner(self._outputs, weights), self._inputs))
        return self._finite(product, v)

    def _differentiable_adjoint(self) -> list[Tensor | None]:
        """Return ``Jᵀ w`` as a function of the weights ``w``, tensor by tensor."""
        slope = _inner(self._outputs, self._weights)
        try:
            return list(
                torch.autograd.grad(slope, self._inputs, create_graph=True, allow_unused=True)
            )
        except RuntimeError as error:
            raise _undifferentiable(error) from error

    def _grad(self, slope: Tensor, inputs: list[Tensor]) -> tuple[Tensor, ...]:
        try:
            return torch.autograd.grad(
                slope, inputs, retain_graph=True, allow_unused=True, materialize_grads=True
            )
        except RuntimeError as error:
            raise _undifferentiable(error) from error

    def _finite(self, product: Tensor, v: Tensor) -> Tensor:
        if all_finite(product):
            return product
        if not all_finite(v):
            raise NonFiniteError("the vector to multiply is not finite.")
        tensors = self._layout.split(product)
        advice = "Look for a square root, norm, power or division at 0 in the step."
        self._layout.check_finite(tensors, name="a product with the Jacobian", advice=advice)
        raise AssertionError


def _inner(first: Any, second: Any) -> Tensor:
    """Return the inner product; `grad_outputs` would import sympy, 0.6 s."""
    terms = [torch.dot(a.reshape(-1), b.reshape(-1)) for a, b in zip(first, second, strict=True)]
    return terms[0] if len(terms) == 1 else torch.stack(terms).sum()


def _undifferentiable(error: RuntimeError) -> Exception:
    reason = first_line(error)
    if "modified by an inplace operation" in reason:
        return PassbandError(
            "a tensor that the step computes with was changed in place since the Jacobian was "
            "made, perhaps by further training. Make it again, or give the step copies."
        )
    return PassbandError(
        f"the step cannot be differentiated often enough: {reason} Replace the operation, for "
        "fused attention by `torch.nn.attention.sdpa_kernel(SDPBackend.MATH)`."
    )
