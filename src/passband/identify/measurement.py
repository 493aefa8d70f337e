"""The filter of an optimizer that nobody has written down: measured by stepping a copy of it."""

import dataclasses
import math
import warnings
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy import ndarray
from torch.optim import Optimizer

from passband._shapes import Float
from passband.errors import NotAFilterError
from passband.filters.measured import Measured
from passband.filters.without import WITHOUT_FILTER
from passband.identify.checks import check_group, check_optimizer
from passband.identify.recursion import Recursion, fit
from passband.identify.replica import Frozen, Replica
from passband.problem.wrapped import unwrapped

_BURN_IN = 7  # steps with random targets, so that no slot of the state is at rest
_STEPS = 20  # observed steps: enough for recursions of order 8
_CYCLES = 12  # observed cycles of several steps: enough for order 5
_STARTS = 6
_PERIODS = range(1, 11)
_SAME = 1e-7  # relative: superposition and repetition up to rounding and frozen moments
_HELD_OUT = 1e-6
_LIMIT = 1e-5  # relative: two late counters make no difference

_WITHOUT_FILTER = tuple(
    getattr(torch.optim, name) for name in ("LBFGS", "Muon") if hasattr(torch.optim, name)
)


@final
@dataclass(frozen=True, slots=True)
class _Subject:
    """An optimizer under test, as it is or frozen."""

    optimizer: Optimizer
    group: int
    frozen: Frozen | None = None

    @property
    def gradient(self) -> float:
        """Size of the gradients to test with; beside moments of one they must vanish squared."""
        return 1e-3 if self.frozen is None else 1e-11

    @property
    def name(self) -> str:
        return type(self.optimizer).__name__

    def replica(self, lam: ndarray) -> Replica:
        return Replica(self.optimizer, self.group, lam, frozen=self.frozen)


def measure(optimizer: Optimizer, group: int = 0) -> Measured:
    """Return the filter of any optimizer that is linear near a minimum, by stepping a copy of it.

    The copy trains many scalar quadratics at once. From random states its iterates are
    observed, the smallest linear recursion that explains them is solved for, and checked on
    curvatures and starts that it has not seen. Optimizers that act in cycles of up to 10 steps
    are measured over one cycle. Where the optimizer is not linear as it is, quantities even in
    the gradient, such as second moments, are held at one and counters at their limit; λ is then
    the preconditioned curvature.

    Costs about a second, no step of the optimizer itself, no evaluation of the model.

    Args:
        optimizer: An instance; it is not changed.
        group: Index of the parameter group whose options count.

    Raises:
        NotAFilterError: The optimizer cannot be stepped alone, is not reproducible, not linear
            near a minimum, depends on the step count, or is explained by no recursion of order
            up to 8.
        TypeError: If it is no optimizer instance, or ``group`` no whole number.
        IndexError: If there is no such group.

    Example:
        >>> import torch
        >>> weights = torch.zeros(1, requires_grad=True)
        >>> sgd = torch.optim.SGD([weights], lr=0.1, momentum=0.9)
        >>> round(measure(sgd).edge, 6)
        38.0
    """
    optimizer = unwrapped(optimizer)
    check_optimizer("measure", optimizer)
    check_group(optimizer, group)
    subject = _Subject(optimizer, group)
    if type(optimizer) in _WITHOUT_FILTER:
        why = WITHOUT_FILTER[subject.name]
        raise NotAFilterError(f"{subject.name} has no M(λ): {why}")
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # what a copy complains of is not the user's
            return _as_it_is_or_frozen(subject)
    except NotAFilterError:
        raise
    except Exception as error:
        raise NotAFilterError(
            f"{subject.name} could not be stepped on scalar quadratics, so its filter was not "
            f"measured: {type(error).__name__}: {error}"
        ) from error


def _as_it_is_or_frozen(subject: _Subject) -> Measured:
    """Measure the optimizer as it is; failing that, frozen; failing that, say why."""
    scale = _scale(subject)
    if _difference(subject, subject, scale) > 0:
        raise NotAFilterError(
            f"{subject.name} is not reproducible: the same run gave two results. It draws random "
            "numbers; a filter describes its mean step only."
        )
    linear = _nonlinearity(subject, scale) < _SAME
    if linear and (found := _fitted(subject, scale)):
        return found
    why = _no_recursion(subject) if linear else _not_linear(subject, scale)

    held = Frozen(subject.optimizer, subject.group)
    frozen = dataclasses.replace(subject, frozen=held)
    if not held or not _moves(frozen):
        raise NotAFilterError(why)
    scale = _scale(frozen)
    later = dataclasses.replace(subject, frozen=held.later())
    if _difference(frozen, later, scale) > _LIMIT:
        raise NotAFilterError(
            f"{subject.name} depends on the step count without limit: its step keeps changing, so "
            "there is no filter to settle under. The last constant phase decides."
        )
    if _nonlinearity(frozen, scale) < _SAME and (found := _fitted(frozen, scale)):
        return found
    raise NotAFilterError(why)


def _no_recursion(subject: _Subject) -> str:
    return (
        f"{subject.name} is linear near a minimum, but no recursion of order up to 8, in cycles of "
        "up to 10 steps and polynomial in the curvature, explains its iterates: it depends on the "
        "step count, or its memory is longer."
    )


def _not_linear(subject: _Subject, scale: float) -> str:
    """Say what kind of nonlinearity it is: the size of the step at half the distance."""
    targets = _targets(subject, np.full(8, scale), 1, seed=3)
    whole = subject.replica(np.full(8, scale)).run(targets)[-1]
    half = subject.replica(np.full(8, scale)).run(targets / 2)[-1]
    ratio = np.linalg.norm(half) / max(float(np.linalg.norm(whole)), 1e-300)
    why = (
        "its step does not shrink with the gradient, as with sign and normalized methods"
        if ratio > 0.75
        else "its step is not proportional to the gradient"
    )
    return (
        f"{subject.name} is not linear near a minimum: {why}. It has no M(λ); near a minimum it "
        "circles at a distance set by its step length instead of settling."
    )


def _moves(subject: _Subject) -> bool:
    """Return whether the optimizer answers gradients of the size to test with."""
    return bool(subject.replica(np.ones(1)).run(np.full((3, 1), subject.gradient)).any())


def _scale(subject: _Subject) -> float:
    """Return about the largest curvature that the optimizer holds: a scale for the others."""
    lr = float(subject.optimizer.param_groups[subject.group].get("lr", 1.0))
    held = 1 / lr if lr > 0 else 1.0
    if not _moves(subject):
        raise NotAFilterError(f"{subject.name} does not move: is its learning rate zero?")
    while held > 1e-12 and not _holds(subject, held):
        held /= 8
    lost = 8 * held
    while lost < 1e15 and _holds(subject, lost):
        held, lost = lost, 8 * lost
    while lost > 1.1 * held:
        middle = math.sqrt(held * lost)
        held, lost = (middle, lost) if _holds(subject, middle) else (held, middle)
    return held


def _holds(subject: _Subject, lam: float) -> bool:
    """Return whether a kick at this curvature stays in bounds for a while."""
    replica = subject.replica(np.full(1, lam))
    kick = np.full(1, subject.gradient / lam)
    reached = [float(abs(replica.step(kick)[0])) for _ in range(2)]
    for _ in range(30):
        x = float(abs(replica.step(np.zeros(1))[0]))
        if not x <= 30 * max(*reached[:8], kick[0]):
            return False
        reached.append(x)
    return True


def _targets(subject: _Subject, lam: ndarray, steps: int, *, seed: int) -> ndarray:
    """Return random targets that make gradients of the size to test with."""
    random = np.random.default_rng(seed)
    return subject.gradient / np.abs(lam).max() * random.standard_normal((steps, len(lam)))


def _difference(first: _Subject, second: _Subject, scale: float) -> float:
    lam = np.linspace(0.05, 0.9, 12) * scale
    targets = _targets(first, lam, 12, seed=0)
    a, b = first.replica(lam).run(targets), second.replica(lam).run(targets)
    return float(np.abs(a - b).max() / max(float(np.abs(a).max()), 1e-300))


def _nonlinearity(subject: _Subject, scale: float) -> float:
    """Return the relative failure of superposition, over runs driven by random targets."""
    lam = np.linspace(0.05, 0.9, 12) * scale
    one, other = _targets(subject, lam, 25, seed=1), _targets(subject, lam, 25, seed=4)
    a, b, both = (subject.replica(lam).run(t) for t in (one, other, one - 2 * other))
    size = max(float(np.abs(both).max()), 1e-300)
    return float(np.abs(a - 2 * b - both).max() / size)


def _fitted(subject: _Subject, scale: float) -> Measured | None:
    """Return the measured filter over the shortest period that explains the iterates."""
    for period in _PERIODS:
        nodes = scale * (0.45 - 0.5 * np.cos(np.pi * (np.arange(25) + 0.5) / 25))
        x, _ = _observe(subject, nodes, period, seed=2)
        found = fit(nodes, x)
        if found is None:
            continue
        held_out = scale * np.array([-0.1, 0.013, 0.22, 0.37, 0.61, 0.83, 0.97])
        new, replica = _observe(subject, held_out, period, seed=5)
        error = _prediction_error(found, held_out, new)
        if error > _HELD_OUT:
            continue
        return Measured(
            name=subject.name,
            coefficients=found.coefficients,
            scale=found.scale,
            error=error,
            gradients=replica.evaluations / replica.steps,
            curvature="preconditioned" if _holds_moments(subject) else "plain",
            period=period,
            notes=_notes(subject),
        )
    return None


def _observe(
    subject: _Subject, lam: Float[ndarray, " k"], period: int, *, seed: int
) -> tuple[Float[ndarray, "t k starts"], Replica]:
    """Return iterates at the ends of periods, after random targets, from several starts."""
    copies = np.repeat(lam, _STARTS)
    replica = subject.replica(copies)
    burn_in = period * -(-_BURN_IN // period)
    replica.run(_targets(subject, copies, burn_in, seed=seed))
    steps = _STEPS if period == 1 else _CYCLES * period
    x = replica.run(np.zeros((steps, len(copies))))[period - 1 :: period]
    return x.reshape(len(x), len(lam), _STARTS), replica


def _prediction_error(
    found: Recursion, lam: Float[ndarray, " k"], x: Float[ndarray, "t k starts"]
) -> float:
    """Return the largest relative error of iterates continued from their first few values."""
    order = len(found.coefficients)
    flat = x.reshape(len(x), -1)
    predicted = found.predict(np.repeat(lam, x.shape[2]), flat[:order], len(x))
    size = np.maximum.accumulate(np.abs(flat), axis=0).max(axis=0)
    return float((np.abs(predicted - flat) / np.where(size > 0, size, 1.0)).max())


def _holds_moments(subject: _Subject) -> bool:
    return subject.frozen is not None and bool(subject.frozen.moments)


def _notes(subject: _Subject) -> tuple[str, ...]:
    if subject.frozen is None:
        return ()
    notes = ()
    if subject.frozen.moments:
        held = ", ".join(path.rsplit("/", 1)[1] for path in subject.frozen.moments)
        notes += (f"held at 1: {held}; λ is the preconditioned curvature",)
    if subject.frozen.scalars:
        held = ", ".join(path.rsplit("/", 1)[1] for path in subject.frozen.scalars)
        notes += (f"held at its limit: {held}",)
    return notes
