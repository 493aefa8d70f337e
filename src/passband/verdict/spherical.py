"""Normalized networks: curvature on the spheres of their scale-invariant weights.

Where a weight w can be scaled without changing the loss, ``f(cw) = f(w)``, the Hessian grows like
``1 / ‖w‖²`` however flat the function is. The curvature of the function is that on the sphere,
``h = r² λ_max(P H P)`` with ``r = ‖w‖`` and P the projection on the tangents, and gradient descent
with learning rate α and weight decay ω moves there with ``α_e = α / ((1 − αω) r²)``.
"""

import dataclasses
import math
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from rich.console import Console, ConsoleOptions
from rich.table import Table
from torch import nn
from torch.optim import Optimizer
from typing_extensions import override

from passband.errors import NotAFilterError, UnconvergedWarning
from passband.filters import Filter
from passband.operators import Hessian, LinearOperator
from passband.problem import Objective
from passband.problem.losses import Takes
from passband.spectra import Spectrum, eigenvalues
from passband.verdict.groups import group_of_each, plan
from passband.verdict.tangent import Tangent, norm, places, scale_invariant


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Sphere:
    """One scale-invariant weight.

    Attributes:
        name: Its name.
        norm: ``r``.
        effective_lr: ``α / ((1 − αω) r²)``: the learning rate on the sphere of radius 1.
        sharpness: ``h``, the largest curvature on that sphere, all other weights held.
        error: Its error bar.
        ratio: Sharpness over what the optimizer holds at this norm.
    """

    name: str
    norm: float
    effective_lr: float
    sharpness: float
    error: float
    ratio: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Spheres:
    """The scale-invariant weights of a network, one by one and together; print it.

    Attributes:
        spheres: One for each weight.
        ratio: Largest curvature on all spheres together, over what the optimizer holds there.
        error: Its error bar.
        others: Parameters that are not scale-invariant; they are held.
        matvecs: Hessian products spent.
    """

    spheres: tuple[Sphere, ...]
    ratio: float
    error: float
    others: tuple[str, ...]
    matvecs: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Generator[Table | str]:
        """Yield a table and what it means."""
        table = Table(box=None, pad_edge=False)
        table.add_column("scale-invariant weight")
        for name in ("norm", "effective lr", "spherical sharpness", "±", "ratio"):
            table.add_column(name, justify="right")
        for s in self.spheres:
            numbers = (s.norm, s.effective_lr, s.sharpness)
            table.add_row(
                s.name, *(f"{x:.4g}" for x in numbers), f"{s.error:.1e}", f"{s.ratio:.3f}"
            )
        yield table
        yield (
            f"all spheres together: {self.ratio:.3f} ± {self.error:.1e} of what the optimizer "
            f"holds at these norms; {self.matvecs} products. {len(self.others)} other "
            "parameters were held."
        )

    @override
    def __str__(self) -> str:
        console = Console(width=100)
        with console.capture() as capture:
            console.print(self)
        return capture.get().rstrip()


def spherical(
    model: nn.Module,
    loss: Callable[..., Any],
    data: Any,
    optimizer: Optimizer,
    *,
    each: bool = True,
    rtol: float = 1e-3,
    seed: int = 0,
    takes: Takes = "auto",
    count: Callable[[Any], float] | None = None,
) -> Spheres:
    """Return the curvature of a normalized network on the spheres of its scale-invariant weights.

    The model is measured in the mode it is in: batch norm makes weights scale-invariant in
    training mode alone. Which weights are is found by trying: doubled and halved, they must
    leave the loss of the first batch as it is. At given norms the optimizer settles only where
    the ratio is at most 1; but norms move, and with weight decay they move until the ratio is
    about 1, whatever the sharpness. So read ``sharpness`` for how flat the function is, and
    ``ratio`` for how stable the step is.

    Costs a gradient, three forward passes of a batch for each candidate, and a search of about ten
    Hessian products for all spheres together and for each of them.

    Args:
        model: The network.
        loss: ``loss(output, target)``, the mean over a batch, or ``loss(model, batch)``.
        data: A pair of tensors, a list of batches, or a DataLoader.
        optimizer: SGD of torch, or ours around it.
        each: Measure each sphere by itself too; its sharpness is NaN otherwise.
        rtol: Relative accuracy asked.
        seed: Of the start vectors.
        takes: How the loss is called, where the name of its first argument does not say it:
            ``"output, target"`` or ``"model, batch"``.
        count: What a batch counts, ``count(batch)``, where it is not its number of samples.

    Raises:
        NotAFilterError: The optimizer is preconditioned, or has no filter.
        ValueError: No weight is scale-invariant.

    Example:
        ``−xᵀAx / xᵀx`` at an eigenvector has the spherical curvatures ``2 (λ₁ − λᵢ)``.

        >>> import torch
        >>> class Quotient(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.x = nn.Parameter(torch.tensor([2.0, 0.0, 1e-6]))
        ...
        ...     def forward(self, A):
        ...         return -(self.x @ A[0] @ self.x) / (self.x @ self.x)
        >>> model, A = Quotient(), torch.diag(torch.tensor([3.0, 2.0, 1.0]))[None]
        >>> sgd = torch.optim.SGD(model.parameters(), lr=1.0)
        >>> found = spherical(model, lambda model, batch: model(batch), [A], sgd)
        >>> round(found.spheres[0].sharpness, 3), found.spheres[0].effective_lr
        (4.0, 0.25)

    References:
        Lyu, Li, Arora, arXiv 2206.07085; Arora, Li, Lyu, ICLR 2019.
    """
    objective = Objective(model, loss, data, takes=takes, count=count)
    names = scale_invariant(objective)
    if not names:
        raise ValueError(
            "no weight of this model is scale-invariant: doubling any changes the loss. Batch norm "
            "normalizes in training mode only (`model.train()`); without normalization use "
            "`passband.inspect`."
        )
    frame = Frame.of(objective, optimizer, names)
    hessian = Hessian(objective)
    together = _largest(frame.operator(objective, hessian), rtol, seed)
    spent, spheres = together.matvecs, list[Sphere]()
    weights = objective.split(objective.theta)
    for name in names:
        r, value, error = norm(weights[name]), math.nan, math.nan
        if each:
            found = _largest(frame.operator(objective, hessian, only=name), rtol, seed)
            value, error = float(found.values[0]), float(found.errors[0])
            spent += found.matvecs
        rate = frame.rates[name]
        spheres.append(
            Sphere(
                name=name,
                norm=r,
                effective_lr=frame.learning_rates[name] / r**2,
                sharpness=value / rate * r**2,
                error=error / rate * r**2,
                ratio=value / frame.edge,
            )
        )
    return Spheres(
        spheres=tuple(spheres),
        ratio=float(together.values[0]) / frame.edge,
        error=float(together.errors[0]) / frame.edge,
        others=tuple(name for name in objective.names if name not in names),
        matvecs=spent,
    )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What the curvatures on the spheres are compared with.

    Attributes:
        names: The scale-invariant weights.
        edge: What the optimizer holds of ``rate · λ``.
        rates: What multiplies the curvature of each weight before it is compared.
        learning_rates: ``α / (1 − αω)`` of each.
    """

    names: tuple[str, ...]
    edge: float
    rates: Mapping[str, float]
    learning_rates: Mapping[str, float]

    @classmethod
    def of(cls, objective: Objective, optimizer: Optimizer, names: Sequence[str]) -> "Frame":
        """Return the frame of an optimizer as it is now.

        Raises:
            NotAFilterError: The optimizer is preconditioned, or has no filter.
        """
        felt = plan(optimizer, objective, gradient_norm=1.0)
        if felt.filter.curvature == "preconditioned":
            raise NotAFilterError(
                f"{type(optimizer).__name__} rescales every weight by itself, so its steps do not "
                "stay on spheres. Spherical sharpness is for SGD and what is built on it."
            )
        owner = dict(zip(objective.names, group_of_each(optimizer, objective), strict=True))
        learning_rates, shrunk = dict[str, float](), dict[str, float]()
        for name in names:
            group = optimizer.param_groups[owner[name]]
            lr = float(group["lr"])
            shrunk[name] = 1 - lr * float(group.get("weight_decay", 0.0) or 0.0)
            learning_rates[name] = lr / shrunk[name]
        alone = felt.scale is not None  # one filter of learning rate 1, the rates outside
        rates = learning_rates if alone else {name: 1 / shrunk[name] for name in names}
        return cls(
            names=tuple(names),
            edge=_without_decay(felt.filter).edge,
            rates=rates,
            learning_rates=learning_rates,
        )

    def operator(
        self, objective: Objective, hessian: LinearOperator, *, only: str | None = None
    ) -> Tangent:
        """Return the curvature on all spheres, or on one."""
        names = self.names if only is None else (only,)
        where = places(objective)
        weights = objective.split(objective.theta)
        return Tangent(
            hessian, weights={n: weights[n] for n in names}, where=where, rates=self.rates
        )


def _without_decay(filter: Filter) -> Filter:
    if getattr(filter, "weight_decay", 0.0):
        return dataclasses.replace(filter, weight_decay=0.0)  # pyright: ignore[reportArgumentType]
    return filter


def _largest(operator: Tangent, rtol: float, seed: int) -> Spectrum:
    with warnings.catch_warnings():  # the error bar says the same
        warnings.simplefilter("ignore", UnconvergedWarning)
        return eigenvalues(operator, k=1, rtol=rtol, seed=seed, progress=False)
