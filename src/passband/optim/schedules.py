"""Ascent radii that change during training, beside torch's schedulers of the learning rate."""

import math
from collections.abc import Callable
from typing import Any, final

from passband.optim._options import Group
from passband.optim._uphill import UphillOptimizer
from passband.optim.hessian_usam import HessianUSAM
from passband.optim.sharpness_aware import SharpnessAware
from passband.optim.usam import USAM


@final
class RhoSchedule:
    """Sets ρ as a function of the step; call ``step()`` after the optimizer's.

    Args:
        optimizer: Any optimizer here that looks uphill.
        rho: Takes the number of steps done, returns the radius for all groups.

    Example:
        Warm up over two steps.

        >>> import torch
        >>> from passband.optim import USAM
        >>> optimizer = USAM([torch.ones(1, requires_grad=True)], lr=0.1, rho=0.0)
        >>> schedule = RhoSchedule(optimizer, lambda step: 0.1 * min(step / 2, 1))
        >>> schedule.step()
        >>> optimizer.param_groups[0]["rho"]
        0.05
    """

    steps: int

    def __init__(self, optimizer: UphillOptimizer, rho: Callable[[int], float]) -> None:
        self._optimizer, self._of_step, self.steps = optimizer, rho, 0
        self._write()

    def step(self) -> None:
        """Count one step of the optimizer and set the radius of the next."""
        self.steps += 1
        self._write()

    def _write(self) -> None:
        for group in self._optimizer.param_groups:
            write_rho(self._optimizer, group, self._of_step(self.steps))

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps done."""
        return {"steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.steps = int(state_dict["steps"])
        self._write()


@final
class FixedEdge:
    r"""Lets ρ follow the learning rate, so that the passband stays where it is.

    .. math::
        E\,(1 + \rho E)^k + \omega = C(\alpha), \qquad C = 2\,(1 + \beta) / \alpha
        \text{ for heavy ball},

    and ``E (1 + ρ E²)`` for Hessian USAM. As ``lr`` falls, C rises, and so does ρ. Where SGD's own
    edge is below E, in a phase of large learning rates, ρ is zero. Call ``step()`` after the
    scheduler of ``lr``. It has no state.

    Args:
        optimizer: `USAM`, `HessianUSAM`, or `SharpnessAware` around ``torch.optim.SGD`` without
            ``normalize``.
        edge: The edge E to hold, positive: a curvature of the loss.
        max_rho: No more than this: at small learning rates ρ grows without limit.

    Raises:
        TypeError: The edge of this optimizer has no such form.
        ValueError: ``edge`` or ``max_rho`` is not positive.

    Example:
        ``lr=1`` has the edge 2; for the edge 1 it takes ρ = 1, at half the rate ρ = 3.

        >>> import torch
        >>> from passband.optim import USAM
        >>> optimizer = USAM([torch.ones(1, requires_grad=True)], lr=1.0, rho=0.0)
        >>> fixed = FixedEdge(optimizer, edge=1.0)
        >>> optimizer.param_groups[0]["rho"]
        1.0
        >>> optimizer.param_groups[0]["lr"] = 0.5
        >>> fixed.step()
        >>> optimizer.param_groups[0]["rho"]
        3.0

    References:
        arXiv 2510.09034 for the edges; weight decay and its placements are in the theory notes.
    """

    edge: float
    max_rho: float

    def __init__(
        self, optimizer: UphillOptimizer, *, edge: float, max_rho: float = math.inf
    ) -> None:
        if not 0 < edge < math.inf:
            raise ValueError(f"`edge` must be positive and finite; got {edge!r}.")
        if not max_rho > 0:
            raise ValueError(f"`max_rho` must be positive; got {max_rho!r}.")
        wraps_sgd = (
            isinstance(optimizer, SharpnessAware)
            and type(optimizer.base).__name__ == "SGD"
            and not optimizer.normalize
        )
        if not (isinstance(optimizer, USAM | HessianUSAM) or wraps_sgd):
            raise TypeError(
                f"`FixedEdge` knows USAM, HessianUSAM and SharpnessAware around SGD; the edge of "
                f"{type(optimizer).__name__} has another form. Use `RhoSchedule`."
            )
        self._optimizer, self.edge, self.max_rho = optimizer, edge, max_rho
        self.step()

    def step(self) -> None:
        """Set ρ from the learning rate of the moment."""
        for group in self._optimizer.param_groups:
            if float(group["lr"]) > 0:
                write_rho(self._optimizer, group, min(self._radius(group), self.max_rho))

    def _radius(self, group: Group) -> float:
        plain, lam = _classical_edge(group), self.edge
        if group.get("decay") == "loss":
            lam += group["weight_decay"]
        rise = plain / lam  # (1 + ρ λ)ᵏ, or 1 + ρ λ²
        if rise <= 1:
            return 0.0
        if isinstance(self._optimizer, HessianUSAM):
            return (rise - 1) / lam**2
        steps: int = group.get("steps", getattr(self._optimizer, "steps", 1))
        return (rise ** (1 / steps) - 1) / lam


def _classical_edge(group: Group) -> float:
    """Return the largest curvature that may come back from the oracle: SGD's edge, less decay."""
    lr, momentum, decay = float(group["lr"]), float(group["momentum"]), group["weight_decay"]
    if group.get("dampening"):
        raise TypeError("`FixedEdge` knows SGD without dampening.")
    ahead = 1 + 2 * momentum if group["nesterov"] else 1
    where = group.get("decay", "coupled")
    shrunk = lr * decay if where == "decoupled" else 0.0
    return (2 - shrunk) * (1 + momentum) / (lr * ahead) - (decay if where == "coupled" else 0.0)


def write_rho(optimizer: UphillOptimizer, group: Group, rho: float) -> None:
    """Set the radius of a group where its optimizer reads it."""
    group["ascent_rho" if isinstance(optimizer, SharpnessAware) else "rho"] = rho
