"""Any optimizer, stepped with the gradient found uphill."""

import inspect
from typing import Any, final

from torch.optim import Optimizer
from typing_extensions import override

from passband.optim._checked import Part, Way
from passband.optim._normalized import normalized
from passband.optim._options import Group, check_not_negative, check_parameters, check_steps, number
from passband.optim._uphill import UphillOptimizer


@final
class SharpnessAware(UphillOptimizer):
    r"""Step a base optimizer with the gradient found after ``steps`` ascents.

    .. math::
        y_0 = x, \quad y_{j+1} = y_j + \rho\, \nabla f(y_j), \qquad
        x \leftarrow \text{base}\bigl(x, \nabla f(y_k)\bigr).

    Groups and state are the base optimizer's own, so schedulers, checkpoints and hooks attached to
    either work, and a checkpoint of the base can be loaded. Weight decay is where the base has it:
    added at ``x``, never climbed. A base that maximizes looks downhill. Around
    ``torch.optim.SGD`` it is `USAM`, or `SAM` with ``normalize=True``, bit for bit.

    A step costs ``steps + 1`` gradients (one where all radii are 0) and one copy of the weights,
    two if ``adaptive``. Closure, gradients that are not finite and what is left in ``p.grad``
    are as for `USAM`.

    Args:
        base_optimizer: Any optimizer whose ``step()`` needs no closure.
        rho: Ascent radius, finite; with ``normalize`` a length, not negative. A group with
            another has it as ``group["ascent_rho"]`` (torch's Adadelta has a ``rho`` of its own).
        steps: Number of ascents, 1 or more.
        normalize: Divide each ascent by the norm of the whole gradient, as in SAM.
        adaptive: Measure the normalized ascent in units of each weight, as in ASAM; see `SAM`.

    Attributes:
        base: The base optimizer.
        rho: Ascent radius of the groups without one of their own; may be changed between steps.
            It is an argument, not part of the checkpoint.
        steps: Number of ascents.
        normalize: Whether each ascent is divided by the norm of the gradient.
        adaptive: Whether that norm is in units of each weight.

    Raises:
        TypeError: The base is no optimizer, needs a closure, or already looks uphill.
        ValueError: An option is out of its range.

    Example:
        For ``f = x²`` at 1 with ρ = 1 the gradient is taken at 1 + 2 = 3, where it is 6.

        >>> import torch
        >>> x = torch.tensor(1.0, requires_grad=True)
        >>> optimizer = SharpnessAware(torch.optim.SGD([x], lr=0.1), rho=1.0)
        >>> def closure():
        ...     loss = x**2
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure), x.grad, x.detach()
        (tensor(1.), tensor(6.), tensor(0.4000))

    References:
        Foret et al., *Sharpness-aware minimization*, ICLR 2021, algorithm 1.
    """

    takes_sparse = True  # what cannot, says so itself

    base: Optimizer
    rho: float
    steps: int
    normalize: bool
    adaptive: bool

    def __new__(cls, *args: Any, **_: Any) -> "SharpnessAware":
        """Say how other packages' ``SAM(params, AdamW, lr=…)`` is written here."""
        if len(args) > 1 and isinstance(args[1], type):
            raise TypeError(
                "`SharpnessAware` takes an optimizer instance. Write SharpnessAware(torch.optim."
                f"{args[1].__name__}(params, lr=…), rho=…, normalize=True)."
            )
        return super().__new__(cls)

    def __init__(
        self,
        base_optimizer: Optimizer,
        *,
        rho: float,
        steps: int = 1,
        normalize: bool = False,
        adaptive: bool = False,
    ) -> None:
        _check_base(base_optimizer)
        check_steps({"steps": steps})
        if adaptive and not normalize:
            raise ValueError("`adaptive` measures a normalized ascent; set `normalize=True` too.")
        self.base, self.rho, self.steps = base_optimizer, rho, steps
        self.normalize, self.adaptive = normalize, adaptive
        # all that Optimizer.__init__ does, except for groups and state of our own
        self.__setstate__({"defaults": base_optimizer.defaults})
        for group in self.param_groups:
            check_parameters(group)
            self._check(group, starting=True)

    @property
    @override
    def param_groups(self) -> list[Group]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The groups of the base optimizer."""
        return self.base.param_groups

    @property
    @override
    def state(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The state of the base optimizer."""
        return self.base.state

    @override
    def add_param_group(self, param_group: Group) -> None:
        """Add a group to the base optimizer; ``ascent_rho`` may be among its options."""
        self.base.add_param_group(param_group)
        try:
            check_parameters(self.param_groups[-1])
            self._check(self.param_groups[-1], starting=True)
        except BaseException:
            self.param_groups.pop()
            raise

    @override
    def state_dict(self) -> dict[str, Any]:
        """Return the base optimizer's state."""
        self._check_at_home()
        return self.base.state_dict()

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of this optimizer, or of a base that was trained without it."""
        self.base.load_state_dict(state_dict)

    @override
    def __getstate__(self) -> dict[str, Any]:
        names = ("base", "rho", "steps", "normalize", "adaptive", "defaults", "skipped")
        return {name: getattr(self, name) for name in names}

    @override
    def _check(self, group: Group, *, starting: bool) -> None:
        own = {"rho": self._radius(group)}
        number(own, "rho")
        if self.normalize:
            check_not_negative(own, "rho")

    @override
    def _ascents(self) -> int:
        return self.steps if any(map(self._radius, self.param_groups)) else 0

    def _radius(self, group: Group) -> float:
        return group.get("ascent_rho", self.rho)

    @override
    def _rho(self, group: Group) -> float:
        uphill = -1 if group.get("maximize") else 1
        return uphill * float(self._radius(group))

    @override
    def _way_up(self, parts: list[Part], unit: float, taken: int) -> Way:
        return normalized(parts, adaptive=self.adaptive) if self.normalize else Way(parts, unit)

    @override
    def _descend(self, found: list[Part]) -> None:
        self.base.step()  # it reads the gradients found from ``p.grad``


def _check_base(base: Any) -> None:
    if isinstance(base, type):
        given = f"torch.optim.{base.__name__}(params, lr=…)"
        raise TypeError(
            f"`SharpnessAware` needs an optimizer; got the class {base.__name__}. Give an "
            f"instance: SharpnessAware({given}, rho=…)."
        )
    name = type(base).__name__
    if not callable(getattr(base, "step", None)):
        raise TypeError(
            f"`SharpnessAware` needs an optimizer; got a {name}. Build one first: "
            "SharpnessAware(torch.optim.AdamW(model.parameters(), lr=…), rho=…)."
        )
    if isinstance(base, UphillOptimizer):
        raise TypeError(f"{name} looks uphill itself; give `SharpnessAware` the optimizer inside.")
    closure = inspect.signature(base.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise TypeError(
            f"`SharpnessAware` needs an optimizer whose `step()` needs no closure; {name}'s does."
        )
