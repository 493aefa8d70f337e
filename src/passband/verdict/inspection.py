"""``inspect``: model, loss, data and optimizer in, verdict out."""

import warnings
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from passband.errors import NonFiniteError, UnconvergedWarning
from passband.filters import Filter
from passband.operators import Hessian
from passband.problem import Objective
from passband.problem.explain import brief
from passband.problem.finite import all_finite
from passband.problem.losses import Takes
from passband.problem.wrapped import unwrapped
from passband.spectra import Spectrum, eigenvalues
from passband.spectra.whole import WRITTEN
from passband.verdict.groups import Felt, Plan, climbed, decayed, plan
from passband.verdict.judge import Verdict, judge

_MOSTLY, _HARDLY = 0.9, 1e3  # share of a mode; times the typical scale


def inspect(
    model: nn.Module,
    loss: Callable[..., Any],
    data: Any,
    optimizer: Optimizer | Filter,
    *,
    k: int = 3,
    parameters: Any = None,
    takes: Takes = "auto",
    count: Callable[[Any], float] | None = None,
    rtol: float = 1e-4,
    seed: int = 0,
    verify: bool = True,
) -> Verdict:
    """Return where a model stands relative to what its optimizer lets through.

    Measures both ends of the Hessian spectrum of the mean loss over all data, in the mode the
    model is in, and judges it by the filter of the optimizer as it is now. Leaves no trace in
    the model. Costs one gradient over the data and about 15 to 40 Hessian-vector products.

    Args:
        model: The network, in the mode in which it is to be judged.
        loss: ``loss(output, target)``, the mean over a batch, or ``loss(model, batch)``.
        data: A pair of tensors, a list of batches, or a DataLoader: everything the optimizer
            minimizes over. The spectrum of a part of it is another spectrum.
        optimizer: What trains the model; or a filter, to ask what another optimizer would do.
        k: Eigenvalues wanted at each end of the spectrum; fewer where there are fewer.
        parameters: Which parameters to inspect, as in `Objective`; by default all trainable
            ones that the optimizer holds.
        takes: How the loss is called, where the name of its first argument does not say it:
            ``"output, target"`` or ``"model, batch"``.
        count: What a batch counts, ``count(batch)``, where it is not its number of samples.
        rtol: Relative accuracy asked of the eigenvalues.
        seed: Seed of the start vector.
        verify: Search for missed copies of eigenvalues, at most 12 more products an end.

    Returns:
        The verdict; print it.

    Raises:
        NotAFilterError: The optimizer has no linear filter, or its learning rate is zero, as at
            the end of a schedule: set the one to be judged. Raised before any product.
        NonFiniteError: The loss or its gradient is not finite.

    Example:
        >>> import torch
        >>> x, y = torch.eye(2), torch.zeros(2, 1)
        >>> model = nn.Linear(2, 1, bias=False)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=4.0)
        >>> verdict = inspect(model, nn.functional.mse_loss, (x, y), sgd)
        >>> round(verdict.sharpness, 5), verdict.edge
        (1.0, 0.5)

    References:
        Bolte, Le, Pauwels, arXiv 2510.09034.
    """
    if not isinstance(k, int) or k < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"`k` must be a whole number, 1 or more; got {k!r}.")
    optimizer = unwrapped(optimizer)
    if not isinstance(optimizer, Optimizer | Filter):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            "`optimizer` must be a torch optimizer instance or a filter; got "
            f"{brief(optimizer)}. The order is inspect(model, loss, data, optimizer)."
        )
    if isinstance(optimizer, Filter) and optimizer.curvature == "preconditioned":
        raise ValueError(
            f"the edge of {type(optimizer).__name__} is one of preconditioned curvature, and a "
            "filter has no preconditioner. Give the optimizer instance, whose state has it."
        )
    if parameters is None and isinstance(optimizer, Optimizer):
        parameters = _held_by(optimizer)
    objective = Objective(model, loss, data, parameters=parameters, takes=takes, count=count)
    if isinstance(optimizer, Optimizer):  # a missing filter is found before the long work
        plan(optimizer, objective, gradient_norm=1.0)

    value, gradient = objective.value_and_gradient()
    theta = objective.theta
    plain, decays = _norm(gradient), ""
    if isinstance(optimizer, Optimizer):
        gradient, decays = decayed(gradient, optimizer, objective)
    else:
        gradient += float(getattr(optimizer, "weight_decay", 0.0)) * theta
    gradient_norm, weights_norm = _norm(gradient), _norm(theta)
    if not all_finite(gradient):
        raise NonFiniteError(
            "the gradient of the loss over the data is not finite, so there is nothing to judge. "
            "Look at the last checkpoint before the loss exploded."
        )

    felt = (
        plan(optimizer, objective, gradient_norm=climbed(optimizer, plain, gradient_norm))
        if isinstance(optimizer, Optimizer)
        else Plan(optimizer)
    )
    operator = Hessian(objective)
    if felt.scale is not None and felt.shift is not None:
        operator = Felt(operator, scale=felt.scale, shift=felt.shift)
    both = objective.size > 1
    with warnings.catch_warnings():  # the verdict says the same, with what it means
        warnings.simplefilter("ignore", UnconvergedWarning)
        spectrum = eigenvalues(
            operator,
            k=min(k, objective.size // 2) if both else 1,
            which="both" if both else "largest",
            rtol=rtol,
            seed=seed,
            verify=verify,
        )
    notes = (*felt.notes, *([decays] if decays else []))
    if felt.scale is not None and (found := _hardly_trained(objective, spectrum, felt.scale)):
        notes += (found,)
    if not bool(spectrum.converged.all()):
        notes += (_doubt(spectrum, rtol),)
    return judge(
        spectrum,
        felt.filter,
        gradient_norm=gradient_norm,
        weighed_norm=None if felt.scale is None else _norm(felt.scale * gradient),
        weights_norm=weights_norm,
        loss=value,
        preconditioned=felt.scale is not None,
        notes=notes,
    )


def _doubt(spectrum: Spectrum, rtol: float) -> str:
    """Return which eigenvalues are less certain than was asked, and whether that matters."""
    k = len(spectrum.values) // 2 if spectrum.which == "both" else len(spectrum.values)
    if bool(spectrum.converged[:k].all()):
        worst, size = float(spectrum.errors[k:].max()), spectrum.vectors.shape[1]
        remedy = "a larger `k` may narrow their bars"
        if size <= WRITTEN:
            enough = spectrum.matvecs + size
            remedy = f"`passband.eigenvalues` with `max_matvecs={enough}` writes the matrix out"
        return (
            f"the smallest eigenvalues are known to {worst:.1g} only, which matters for saddles "
            f"and not for the ratio: they crowd there. {remedy[0].upper()}{remedy[1:]}"
        )
    return (
        f"the largest eigenvalues are less certain than rtol={rtol:g} asks; their errors say how "
        f"much. Ask for more (`k`) or less (`rtol`). {spectrum.evidence}"
    )


def _hardly_trained(objective: Objective, spectrum: Spectrum, scale: Tensor) -> str:
    """Return a word about a parameter that makes the sharpest mode only because its scale is huge.

    A bias before batch norm has no gradient in training, so Adam's second moment of it is rounding;
    in eval mode it has curvature all the same.
    """
    typical = float(scale.median())
    for name, part in objective.split(spectrum.vectors[0]).items():
        weighed = float(objective.split(scale)[name].median()) / typical
        if (share := float((part * part).sum())) > _MOSTLY and weighed > _HARDLY:
            return (
                f"{share:.1%} of the sharpest mode lie in {name!r}, which the optimizer weighs "
                f"{weighed:.0e} times more than most: it had next to no gradient in training, like "
                "a bias before a normalization. Judge in the mode of training, or leave it out "
                "with `parameters=`"
            )
    return ""


def _held_by(optimizer: Optimizer) -> Callable[[str, nn.Parameter], bool]:
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}

    def trained(name: str, parameter: nn.Parameter) -> bool:
        del name
        return parameter.requires_grad and id(parameter) in held

    return trained


def _norm(v: Tensor) -> float:
    """Return the norm; as a root of a sum, because float32 norms lose digits for long vectors."""
    return float((v * v).sum().sqrt())
