"""Looking at where training stands, again and again."""

import dataclasses
import math
import statistics
import warnings
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from passband.errors import NotAFilterError, UnconvergedWarning, first_line
from passband.filters import Filter
from passband.monitor.probe import Probe
from passband.monitor.shares import Shares
from passband.operators import Hessian, LinearOperator
from passband.operators.preconditioned import is_adaptive, preconditioner
from passband.problem import Objective
from passband.spectra import Spectrum, eigenvalues
from passband.verdict.groups import Felt, Plan, climbed, coupled_decays, decayed, plan
from passband.verdict.spherical import Frame
from passband.verdict.tangent import scale_invariant

_LAYERS = 5


@final
class Prober:
    """Looks again and again, each time from where the last search ended.

    Every probe also looks for eigenvalues that were missed: modes cross during training, and a
    search that follows one of them alone was seen to lose the largest by 20 %.

    Args:
        objective: The loss over the probe set.
        optimizer: What trains.
        k: Largest eigenvalues.
        rtol: Relative accuracy of them.
        smallest: Measure the smallest eigenvalue too.
        spheres: Measure the curvature on the spheres of scale-invariant weights too.
        batches: Measure the batch sharpness too, over the batches of the objective.
        max_matvecs: Most products of a search; 60, or twice the least that will do, if None.
        shares: Who measures.
    """

    objective: Objective
    optimizer: Optimizer
    k: int
    rtol: float
    max_matvecs: int
    smallest: bool
    batches: bool
    spheres: tuple[str, ...]

    def __init__(
        self,
        objective: Objective,
        optimizer: Optimizer,
        *,
        k: int,
        rtol: float,
        smallest: bool,
        spheres: bool,
        batches: bool,
        max_matvecs: int | None,
        shares: Shares,
    ) -> None:
        self.objective, self.optimizer = objective, optimizer
        self.k, self.rtol = min(k, objective.size), rtol
        self.smallest, self.batches = smallest and objective.size > 1, batches
        least = min((1 + self.smallest) * self.k + 2, objective.size)
        self.max_matvecs = max(60, 2 * least) if max_matvecs is None else max_matvecs
        if self.max_matvecs < least:
            raise ValueError(
                f"`max_matvecs` must be at least {least} for k={k}"
                f"{' at both ends' if self.smallest else ''}; got {max_matvecs}."
            )
        self._shares = shares
        self.spheres = self._spheres() if spheres else ()
        self.filter: Filter | None = None
        self.spectrum: Spectrum | None = None
        self.tangent: Spectrum | None = None

    def goes_on_from(self, other: "Prober") -> None:
        """Begin where another prober's searches ended."""
        self.spectrum, self.tangent = other.spectrum, other.tangent

    def look(self, step: int) -> Probe:
        """Measure. Costs a gradient and the products of a warm search, 10 to 25 as a rule."""
        loss, gradient = self._shares.value_and_gradient(self.objective)
        plain = _norm(gradient)
        gradient, _ = decayed(gradient, self.optimizer, self.objective)
        norm = _norm(gradient)
        felt, note = self._plan(climbed(self.optimizer, plain, norm))
        scale, shift = (None, None) if felt is None else (felt.scale, felt.shift)
        if felt is None and is_adaptive(self.optimizer):  # their curvature is another
            scale, shift = self._preconditioned()
            if scale is None:
                lr = float(self.optimizer.param_groups[0]["lr"])
                return Probe(step=step, loss=loss, gradient_norm=norm, lr=lr, note=note)
        hessian = Hessian(self.objective)
        whole = operator = self._shares.whole(hessian)
        if scale is not None and shift is not None:
            operator = Felt(whole, scale=scale, shift=shift)
        try:
            spectrum = self._search(operator, start=self.spectrum)
            batch = self._batches(spectrum, felt) if self.batches else _Batches()
            on_spheres = self._on_spheres(whole) if self.spheres else _Spheres()
        finally:
            hessian.release()
        self.spectrum = dataclasses.replace(spectrum, unfinished=None)  # the next is another H
        k = len(spectrum.values) // 2 if self.smallest else len(spectrum.values)
        values, errors = spectrum.values[:k], spectrum.errors[:k]
        direction = gradient if scale is None else gradient * scale.sqrt()
        along, length = float((direction * spectrum.vectors[0]).sum().abs()), _norm(direction)
        self.filter = filter = None if felt is None else felt.filter
        edge = math.nan if filter is None else filter.edge
        lower = (values - errors).tolist()
        return Probe(
            step=step,
            loss=loss,
            gradient_norm=norm,
            distance=self._distance(
                norm if scale is None else _norm(gradient * scale), float(values[0])
            ),
            sharpness=float(values[0]),
            error=float(errors[0]),
            edge=edge,
            ratio=float(values[0]) / edge if edge else math.inf,  # nothing is let through
            above=sum(value > edge for value in lower) if filter is not None else 0,
            smallest=float(spectrum.values[k]) if self.smallest else math.nan,
            smallest_error=float(spectrum.errors[k]) if self.smallest else math.nan,
            alignment=along / length if length else 0.0,
            batch_sharpness=batch.sharpness,
            mean_square_ratio=batch.ratio,
            spherical_ratio=on_spheres.ratio,
            effective_lr=on_spheres.effective_lr,
            layers=self._layers(spectrum.vectors[0], scale),
            lr=float(self.optimizer.param_groups[0]["lr"]),
            moved_share=_or_nan(getattr(self.optimizer, "moved_share", None)),
            matvecs=spectrum.matvecs + on_spheres.matvecs,
            verified=spectrum.verified,
            note=note,
        )

    def _search(self, operator: LinearOperator, *, start: Spectrum | None) -> Spectrum:
        with warnings.catch_warnings():  # the error bar says the same
            warnings.simplefilter("ignore", UnconvergedWarning)
            spectrum = eigenvalues(
                operator,
                k=min(self.k, operator.size // 2) if self.smallest else self.k,
                which="both" if self.smallest else "largest",
                rtol=self.rtol,
                start=start,
                max_matvecs=self.max_matvecs,
                progress=False,
            )
        if spectrum.by_user:
            raise KeyboardInterrupt  # the search gives what it has; training is to stop
        return spectrum

    def _plan(self, gradient_norm: float) -> tuple[Plan | None, str]:
        """Return the filter of the optimizer as it is now; what was measured is remembered."""
        try:
            return plan(self.optimizer, self.objective, gradient_norm=gradient_norm), ""
        except NotAFilterError as error:
            return None, f"no filter: {first_line(error)}"

    def _preconditioned(self) -> tuple[Tensor | None, Tensor | None]:
        """Return the preconditioner, and the weight decay that it weighs, if they can be read."""
        try:
            scale = preconditioner(self.objective, self.optimizer)
        except (TypeError, ValueError):
            return None, None
        return scale, coupled_decays(self.optimizer, self.objective)

    def _distance(self, gradient_norm: float, sharpness: float) -> float:
        if not sharpness > 0:
            return math.nan
        return gradient_norm / sharpness / max(_norm(self.objective.theta), 1e-300)

    def _batches(self, spectrum: Spectrum, felt: Plan | None) -> "_Batches":
        """Return how curvature differs from batch to batch. A gradient and two products each.

        Along a batch's own gradient that is the batch sharpness; along the sharpest mode, mean
        and standard deviation are what the mean-square edge is a function of.
        """
        mode = spectrum.vectors[0]
        rows = [row for part in self._shares.gathered(lambda: self._rows(mode)) for row in part]
        samples = math.fsum(count for count, _, _ in rows)
        sharpness = math.fsum(count * own for count, own, _ in rows) / samples
        along = [curvature for _, _, curvature in rows]
        if len(along) < 2 or felt is None or felt.scale is not None:
            return _Batches(sharpness)
        mean = math.fsum(count * curvature for count, _, curvature in rows) / samples
        edge = felt.filter.mean_square_edge(
            ratio=statistics.stdev(along) / abs(mean) if mean else 0
        )
        return _Batches(sharpness, mean / edge if edge > 0 else math.nan)

    def _rows(self, mode: Tensor) -> list[tuple[float, float, float]]:
        """Return samples, sharpness along its gradient, and along the mode, of every batch."""
        theta, rows = self.objective.theta, list[tuple[float, float, float]]()
        for weight, loss in self.objective.batches():
            at, own, curvature = theta.clone().requires_grad_(), 0.0, 0.0
            _, gradient = loss.differentiate(at, create_graph=True)
            if gradient.requires_grad:  # otherwise the loss is linear in the weights
                direction = gradient.detach()
                if (square := float((direction * direction).sum())) > 0:
                    (product,) = torch.autograd.grad(gradient, at, direction, retain_graph=True)
                    own = float((direction * product).sum()) / square
                (product,) = torch.autograd.grad(gradient, at, mode)
                curvature = float((mode * product).sum())
            rows.append((weight * self.objective.samples, own, curvature))
        return rows

    def _spheres(self) -> tuple[str, ...]:
        """Return the scale-invariant weights on which all processes agree."""
        every = self._shares.gathered(lambda: scale_invariant(self.objective))
        return tuple(name for name in every[0] if all(name in names for names in every))

    def _on_spheres(self, hessian: LinearOperator) -> "_Spheres":
        """Return where the optimizer stands on the spheres of scale-invariant weights."""
        try:
            frame = Frame.of(self.objective, self.optimizer, self.spheres)
        except NotAFilterError:
            return _Spheres()
        operator = frame.operator(self.objective, hessian)
        spectrum = self._search(operator, start=self.tangent)
        self.tangent = dataclasses.replace(spectrum, unfinished=None)
        weights = self.objective.split(self.objective.theta)
        effective = {n: lr / _norm(weights[n]) ** 2 for n, lr in frame.learning_rates.items()}
        return _Spheres(float(spectrum.values[0]) / frame.edge, effective, spectrum.matvecs)

    def _layers(self, mode: Tensor, scale: Tensor | None) -> dict[str, float]:
        """Return the largest shares of parameters in a mode."""
        if scale is not None:
            mode = mode * scale.sqrt()
        parts = self.objective.split(mode)
        whole = max(float((mode * mode).sum()), 1e-300)
        shares = {name: float((part * part).sum()) / whole for name, part in parts.items()}
        largest = sorted(shares, key=lambda name: -shares[name])[:_LAYERS]
        return {name: shares[name] for name in largest}


class _Batches(NamedTuple):
    """How the curvature of batches compares with the filter."""

    sharpness: float = math.nan
    ratio: float = math.nan


class _Spheres(NamedTuple):
    """Where training stands on its spheres."""

    ratio: float = math.nan
    effective_lr: dict[str, float] = {}  # noqa: RUF012
    matvecs: int = 0


def _norm(v: Tensor) -> float:
    return float((v * v).sum().sqrt())


def _or_nan(value: Any) -> float:
    return math.nan if value is None else float(value)
