"""One look at where training stands."""

import dataclasses
import math
import warnings
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from passband.errors import NotAFilterError, UnconvergedWarning
from passband.filters import Filter
from passband.operators import Hessian, LinearOperator
from passband.problem import Objective
from passband.spectra import Spectrum, eigenvalues
from passband.verdict.groups import Felt, Plan, plan, weight_decays

_VERIFY_EVERY = 10  # probes; between them a mode that is new and hidden may be missed


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Where training stood after a step.

    Attributes:
        step: Steps of the optimizer before it.
        loss: Mean loss over the probe set.
        gradient_norm: ``‖∇f‖``, weight decay included.
        distance: Estimated distance to a critical point, ``‖∇f‖ / sharpness``, over ``‖θ‖``; NaN
            in preconditioned curvature.
        sharpness: Largest eigenvalue, of what the optimizer feels: the Hessian, or the
            preconditioned one for Adam and its kin.
        error: Its error bar.
        edge: Edge of the optimizer as it was then; NaN without a filter.
        ratio: Sharpness over edge.
        above: Measured modes that the passband does not admit for sure.
        smallest: Smallest eigenvalue, or NaN where it was not asked for.
        alignment: ``|⟨∇f, v₁⟩| / ‖∇f‖``, the share of the gradient along the sharpest mode.
        batch_sharpness: Mean over batches of ``gᵦᵀ Hᵦ gᵦ / ‖gᵦ‖²``, or NaN.
        lr: Learning rate of the first group.
        moved_share: Share of the weights that the ascent moves after rounding, or NaN.
        matvecs: Hessian products spent.
        verified: Whether a second search found that nothing was missed.
        seconds: What the probe took.
        note: What a reader should know, or nothing.
    """

    step: int
    loss: float = math.nan
    gradient_norm: float = math.nan
    distance: float = math.nan
    sharpness: float = math.nan
    error: float = math.nan
    edge: float = math.nan
    ratio: float = math.nan
    above: int = 0
    smallest: float = math.nan
    alignment: float = math.nan
    batch_sharpness: float = math.nan
    lr: float = math.nan
    moved_share: float = math.nan
    matvecs: int = 0
    verified: bool = False
    seconds: float = 0.0
    note: str = ""


@final
class Prober:
    """Looks again and again, each time from where the last search ended.

    The first probe and every tenth one look for eigenvalues that were missed.

    Args:
        objective: The loss over the probe set.
        optimizer: What trains.
        k: Largest eigenvalues.
        rtol: Relative accuracy of them.
        smallest: Measure the smallest eigenvalue too.
        batches: Measure the batch sharpness too, over the batches of the objective.
        max_matvecs: Most products of a search.
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: Optimizer,
        *,
        k: int,
        rtol: float,
        smallest: bool,
        batches: bool,
        max_matvecs: int,
    ) -> None:
        self.objective, self.optimizer = objective, optimizer
        self.k, self.rtol, self.max_matvecs = min(k, objective.size), rtol, max_matvecs
        self.smallest, self.batches = smallest and objective.size > 1, batches
        self.filter: Filter | None = None
        self.spectrum: Spectrum | None = None
        self._looks = 0

    def look(self, step: int) -> Probe:
        """Measure. Costs a gradient and the products of a warm search, 5 to 15 as a rule."""
        loss, gradient = self.objective.value_and_gradient()
        decays = weight_decays(self.optimizer, self.objective)
        if bool(decays.any()):
            gradient = gradient + decays * self.objective.theta
        norm = _norm(gradient)
        felt, note = self._plan(norm)
        hessian = Hessian(self.objective)
        operator: LinearOperator = hessian
        if felt is not None and felt.scale is not None and felt.shift is not None:
            operator = Felt(hessian, scale=felt.scale, shift=felt.shift)
        try:
            spectrum = self._search(operator)
            batch_sharpness = self._batch_sharpness() if self.batches else math.nan
        finally:
            hessian.release()
        self._looks += 1
        self.spectrum = dataclasses.replace(spectrum, unfinished=None)  # the next is another H
        values, errors = spectrum.values[: self.k], spectrum.errors[: self.k]
        direction = gradient if felt is None or felt.scale is None else gradient * felt.scale.sqrt()
        along = float((direction * spectrum.vectors[0]).sum().abs())
        length = _norm(direction)
        self.filter = filter = None if felt is None else felt.filter
        edge = math.nan if filter is None else filter.edge
        lower = (values - errors).tolist()
        return Probe(
            step=step,
            loss=loss,
            gradient_norm=norm,
            distance=self._distance(norm, float(values[0]), felt),
            sharpness=float(values[0]),
            error=float(errors[0]),
            edge=edge,
            ratio=float(values[0]) / edge if edge else math.nan,
            above=sum(value > edge for value in lower) if filter is not None else 0,
            smallest=float(spectrum.values[-1]) if self.smallest else math.nan,
            alignment=along / length if length else 0.0,
            batch_sharpness=batch_sharpness,
            lr=float(self.optimizer.param_groups[0]["lr"]),
            moved_share=_or_nan(getattr(self.optimizer, "moved_share", None)),
            matvecs=spectrum.matvecs,
            verified=spectrum.verified,
            note=note,
        )

    def _search(self, operator: LinearOperator) -> Spectrum:
        with warnings.catch_warnings():  # the error bar says the same
            warnings.simplefilter("ignore", UnconvergedWarning)
            spectrum = eigenvalues(
                operator,
                k=min(self.k, operator.size // 2) if self.smallest else self.k,
                which="both" if self.smallest else "largest",
                rtol=self.rtol,
                start=self.spectrum,
                verify=self._looks % _VERIFY_EVERY == 0,
                max_matvecs=self.max_matvecs,
                progress=False,
            )
        if spectrum.interrupted and spectrum.matvecs < self.max_matvecs:
            raise KeyboardInterrupt  # the search gives what it has; training is to stop
        return spectrum

    def _plan(self, gradient_norm: float) -> tuple[Plan | None, str]:
        """Return the filter of the optimizer as it is now; what was measured is remembered."""
        try:
            return plan(self.optimizer, self.objective, gradient_norm=gradient_norm), ""
        except NotAFilterError as error:
            return None, f"no filter: {str(error).splitlines()[0]}"

    def _distance(self, gradient_norm: float, sharpness: float, felt: Plan | None) -> float:
        if not sharpness > 0 or (felt is not None and felt.scale is not None):
            return math.nan
        return gradient_norm / sharpness / max(_norm(self.objective.theta), 1e-300)

    def _batch_sharpness(self) -> float:
        """Return the mean curvature along batch gradients. One gradient and product a batch."""
        theta = self.objective.theta
        total = 0.0
        for weight, loss in self.objective.batches():
            at = theta.clone().requires_grad_()
            _, gradient = loss.differentiate(at, create_graph=True)
            direction = gradient.detach()
            square = float((direction * direction).sum())
            if square > 0:
                (product,) = torch.autograd.grad(gradient, at, direction)
                total += weight * float((direction * product).sum()) / square
        return total


def _norm(v: Tensor) -> float:
    return float((v * v).sum().sqrt())


def _or_nan(value: Any) -> float:
    return math.nan if value is None else float(value)
