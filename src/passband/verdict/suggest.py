"""From a measured sharpness to the option of the optimizer that puts its edge there."""

import dataclasses
import math
import warnings
from dataclasses import dataclass
from typing import Any, final

from torch.optim import Optimizer
from typing_extensions import override

from passband.errors import FilterWarning, NotAFilterError
from passband.filters import Filter, design
from passband.filters.design import knobs
from passband.identify import filter_of
from passband.identify.transplant import copied
from passband.problem.explain import brief
from passband.problem.numbers import check_numbers
from passband.problem.wrapped import unwrapped
from passband.spectra import Spectrum
from passband.verdict.judge import Verdict, check_same_curvature

_ACCURACY = 1e-6  # relative, of an edge that is found by measuring again and again
_MEASUREMENTS = 8
_MUCH = 10  # a factor of the learning rate


@final
@dataclass(frozen=True, slots=True)
class Change:
    """One option, and what it has to be.

    Attributes:
        option: Its name in the optimizer and in its filter.
        now: Its value.
        value: The value that has the wanted edge.
        filter: The filter with that value.
    """

    option: str
    now: float
    value: float
    filter: Filter


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Ways to put the edge of an optimizer at a wanted place above or below the sharpness.

    Attributes:
        sharpness: Largest eigenvalue.
        error: Its error bar; 0 if none was given.
        edge: Edge of the optimizer now.
        wanted: The edge that has the wanted ratio.
        changes: What leads there, one option at a time; the gentlest on training comes first.
        notes: Why other options do not, a sentence each.
    """

    sharpness: float
    error: float
    edge: float
    wanted: float
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()

    @override
    def __str__(self) -> str:
        ratio = self.sharpness / self.edge if self.edge else math.inf
        headline = (
            f"sharpness {self.sharpness:.6g} ± {self.error:.1g}   edge now {self.edge:.6g} "
            f"(ratio {ratio:.4g})   wanted {self.wanted:.6g} "
            f"(ratio {self.sharpness / self.wanted:.4g})"
        )
        lines = [headline]
        for change in self.changes:
            note = f"gain {change.filter.gain:.4g}, κ {change.filter.kappa:.3g}"
            lines.append(f"  {change.option} {change.now:g} → {change.value:.6g}   ({note})")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def suggest(
    optimizer: Optimizer | Filter,
    spectrum: Spectrum | Verdict | float,
    *,
    ratio: float = 0.9,
    group: int = 0,
    gradient_norm: float | None = None,
) -> Suggestion:
    """Propose values of ``lr``, ``rho``, … for a wanted ratio of sharpness to edge.

    A ratio below one lets the present minimum through, one above makes the optimizer leave for
    a flatter one. Each change is on its own, all else held. Nothing is set: write the value into
    ``optimizer.param_groups[group]`` to use it. Where groups differ, the verdict of `inspect` has
    weighed them all; then the learning rates of all change by one factor, which a note names.

    Args:
        optimizer: A torch optimizer instance, or a filter.
        spectrum: Eigenvalues of the objective, in the curvature the filter is in: of the
            preconditioned Hessian for Adam and its kin; or the verdict of `inspect`. A number is
            taken for the sharpness.
        ratio: Wanted sharpness / edge, positive.
        group: Parameter group of the optimizer.
        gradient_norm: ``‖∇f‖`` at which normalized SAM is frozen; ignored by all others.

    Returns:
        The changes; it prints well. Milliseconds for known optimizers; for others the filter is
        measured up to eight times, a second each.

    Raises:
        ValueError: The sharpness is not positive, ``ratio`` is not, or the edge is not finite.
        NotAFilterError: The optimizer has no filter.

    Example:
        >>> import torch
        >>> weights = torch.zeros(2, requires_grad=True)
        >>> suggestion = suggest(torch.optim.SGD([weights], lr=0.1), 40.0, ratio=0.8)
        >>> suggestion.changes[0].option, round(suggestion.changes[0].value, 6)
        ('lr', 0.04)
    """
    optimizer = unwrapped(optimizer)
    if not isinstance(optimizer, Optimizer | Filter):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"`optimizer` must be a torch optimizer instance or a filter; got {brief(optimizer)}. "
            "The order is suggest(optimizer, spectrum)."
        )
    check_numbers(ratio=ratio)
    sharpness, error = _sharpness(spectrum)
    if not 0 < ratio < math.inf:
        raise ValueError(f"`ratio` of sharpness to edge must be positive and finite; got {ratio}.")
    wanted = sharpness / ratio
    filter = (
        optimizer
        if isinstance(optimizer, Filter)
        else filter_of(optimizer, group, gradient_norm=gradient_norm)
    )
    notes: tuple[str, ...] = ()
    if isinstance(spectrum, Spectrum):
        check_same_curvature(filter, spectrum)
    if filter.curvature == "preconditioned":
        what = "is taken for one" if isinstance(spectrum, float | int) else "is one"
        note = (
            f"the sharpness {what} of preconditioned curvature, and P moves with training: the "
            "values are what this minimum tolerates now, not what to train with"
        )
        notes = (note,)
    if isinstance(spectrum, Verdict) and _far(spectrum):
        moving = (
            "this point is no minimum: training goes on from here and meets another sharpness, so "
            "the values say what holds here and now, not what to train with"
        )
        notes = (*notes, moving)
    known = knobs(type(filter))
    groups = optimizer.param_groups if isinstance(optimizer, Optimizer) and known else []
    groups_differ = isinstance(optimizer, Optimizer) and known and _differ(optimizer, gradient_norm)
    if groups_differ and isinstance(spectrum, Verdict):
        filter = spectrum.filter
        known = knobs(type(filter))
    elif groups_differ:
        alone = (
            f"the parameter groups differ, and this is the edge of group {group} alone: give the "
            "verdict of `inspect`, which weighs every group"
        )
        notes = (*notes, alone)
    edge = filter.edge
    if known:
        changes, more = _redesigned(filter, known, wanted)
        if groups_differ and isinstance(spectrum, Verdict):
            changes, factor = _by_one_factor(changes, float(groups[group]["lr"]))
            more += factor
    elif isinstance(optimizer, Optimizer):
        changes, more = _remeasured(optimizer, group, edge, wanted)
    else:
        raise NotAFilterError(
            f"{type(filter).__name__} has no option that `design` knows. Give the optimizer "
            "instance, which can be measured again, or design the parts of a composite."
        )
    return Suggestion(
        sharpness=sharpness,
        error=error,
        edge=edge,
        wanted=wanted,
        changes=changes,
        notes=notes + more + _far_apart(changes),
    )


def _far_apart(changes: tuple[Change, ...]) -> tuple[str, ...]:
    """Return a word about a learning rate that would change a lot."""
    factors = [change.value / change.now for change in changes if change.option == "lr"]
    return tuple(
        f"lr would change by a factor of {factor:.2g}: the edge says what this minimum tolerates, "
        "not what training gets through on the way. Go in steps, and measure again"
        for factor in factors
        if not 1 / _MUCH <= factor <= _MUCH
    )


def _far(verdict: Verdict) -> bool:
    """Whether training leaves this place anyway: no critical point is near, or a saddle's."""
    return verdict.applies is False or any(mode.state == "escaping" for mode in verdict.modes)


def _sharpness(spectrum: Any) -> tuple[float, float]:
    if isinstance(spectrum, Verdict):
        sharpness, error = spectrum.sharpness, spectrum.sharpness_error
    elif isinstance(spectrum, Spectrum):
        top = int(spectrum.values.argmax())
        sharpness, error = float(spectrum.values[top]), float(spectrum.errors[top])
    else:
        try:
            sharpness, error = float(spectrum), 0.0
        except (TypeError, ValueError):
            raise TypeError(
                "`spectrum` must be the verdict of `inspect`, a spectrum of `eigenvalues` or a "
                f"number; got {brief(spectrum)}."
            ) from None
    if not 0 < sharpness < math.inf:
        raise ValueError(
            f"the sharpness must be positive and finite; got {sharpness:g}. Where no curvature is "
            "positive, no edge is in the way."
        )
    return sharpness, error


def _redesigned(
    filter: Any, known: tuple[str, ...], wanted: float
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Return the change of each option that shapes the edge, others as they are."""
    options = {field.name: getattr(filter, field.name) for field in dataclasses.fields(filter)}
    changes: list[Change] = []
    notes: list[str] = []
    for option in known:
        others = {name: value for name, value in options.items() if name != option}
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", FilterWarning)
                found: Any = design(type(filter), edge=wanted, **others)
        except ValueError as error:
            notes.append(f"{option} alone does not: {error}")
            continue
        notes += [f"{option}: {warning.message}" for warning in caught]
        changes.append(Change(option, float(options[option]), getattr(found, option), found))
    return tuple(changes), tuple(notes)


def _differ(optimizer: Optimizer, gradient_norm: float | None) -> bool:
    """Whether parameter groups have different filters; one that does not move is different."""
    groups = range(len(optimizer.param_groups))
    if len(groups) == 1:
        return False
    try:
        every = [filter_of(optimizer, i, gradient_norm=gradient_norm) for i in groups]
    except NotAFilterError:
        return True
    return any(found != every[0] for found in every)


def _by_one_factor(
    changes: tuple[Change, ...], lr: float
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Return changes with the lr of one group, and the factor that all are multiplied by."""
    found: list[Change] = []
    notes: list[str] = []
    for change in changes:
        if change.option == "lr":
            factor = change.value / change.now
            notes.append(
                "the parameter groups differ, so the verdict weighs them together: multiply the lr "
                f"of every group by {factor:.6g}"
            )
            change = dataclasses.replace(change, now=lr, value=lr * factor)  # noqa: PLW2901
        found.append(change)
    return tuple(found), tuple(notes)


def _remeasured(
    optimizer: Optimizer, group: int, edge: float, wanted: float
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Return the learning rate at which a measured filter has the wanted edge, if there is one.

    Most edges go as ``1/lr``, so that is the guess that is corrected.
    """
    if not 0 < edge < math.inf:
        raise ValueError(f"the edge must be positive and finite to be moved; it is {edge:g}.")
    trial = copied(optimizer, {})
    options = trial.param_groups[group]
    now = lr = float(options["lr"])
    for _ in range(_MEASUREMENTS):
        lr *= edge / wanted
        options["lr"] = lr
        found = filter_of(trial, group)
        edge = found.edge
        if abs(edge - wanted) <= _ACCURACY * wanted:
            return (Change("lr", now, lr, found),), ()
        if not 0 < edge < math.inf:
            break
    return (), (f"no lr with the wanted edge was found; at lr {lr:.4g} the edge is {edge:.4g}.",)
